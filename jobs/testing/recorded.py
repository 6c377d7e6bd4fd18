"""Recorded: what was enqueued at once while a test faked jobs."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connections

from jobs.conf import settings
from jobs.testing.pushed import PushedJob
from jobs.testing.pushed_workflow import PushedWorkflow


class Recorded:
    """Jobs that were pushed together, and whether their transaction was rolled back."""

    def __init__(self, jobs: Sequence[PushedJob], workflow: PushedWorkflow | None = None) -> None:
        self.jobs = jobs
        self.workflow = workflow
        self._connection = connections[settings.DATABASE]
        self._committed = not self._connection.in_atomic_block
        # Not asked where none is open, so that tests without a database can enqueue.
        if not self._committed:
            self._connection.on_commit(self._commit)

    def _commit(self) -> None:
        self._committed = True

    @property
    def counts(self) -> bool:
        # Django takes the callbacks of a block that is rolled back off this list.
        waiting = (entry[1] for entry in self._connection.run_on_commit)
        return self._committed or self._commit in waiting
