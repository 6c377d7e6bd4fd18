"""Running one job here and now, through the runner that workers use, and seeing what it reports."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

from jobs import registry
from jobs.conf import Pool, settings
from jobs.execution import runner
from jobs.execution.context import CurrentJob
from jobs.execution.policy import Policy
from jobs.ledger.outcome import ClaimedJob, Outcome


class Progress(NamedTuple):
    """One call of `current_job().progress()`."""

    done: float
    total: float | None = None
    message: str = ""


class WatchedJob(CurrentJob):
    """The job that runs here, its reports kept: it asks and tells the ledger nothing.

    So it can run where the ledger has no row of it, and where a test's transaction is open, which
    another connection would wait for.
    """

    def __init__(
        self, claimed: ClaimedJob, policy: Policy, stopping: Callable[[], bool] | None = None
    ) -> None:
        super().__init__(claimed, policy, stopping)
        self.reports: list[Progress] = []
        self.earlier_steps: Callable[[], list[dict[str, Any]]] = list
        self.kept: list[dict[str, Any]] | None = None
        """The steps that are done, as they would be kept with the job; None if it has none."""

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        super().progress(done, total, message)
        self.reports.append(Progress(done, total, str(message)))

    def spend(self, limit: str, cost: float, *, key: str | int = "") -> None:
        """Count against nothing: limits are the ledger's."""

    def snooze_queue(
        self, seconds: float | dt.timedelta, reason: str, *, queue: str | None = None
    ) -> None:
        """Let every queue be: queues are the ledger's."""

    def snooze_tag(self, tag: str, seconds: float | dt.timedelta, reason: str) -> None:
        """Let every tag be, likewise."""

    def load_steps(self) -> list[dict[str, Any]]:
        self.kept = self.earlier_steps()
        return deepcopy(self.kept)

    def save_steps(self, kept: list[dict[str, Any]]) -> None:
        self.kept = deepcopy(kept)

    def _report(self) -> None:
        self._progress = None

    def _is_cancel_requested(self) -> bool:
        return False


def watch(
    claimed: ClaimedJob,
    refusal: Exception | None = None,
    earlier_steps: Callable[[], list[dict[str, Any]]] = list,
) -> tuple[Outcome, WatchedJob]:
    """Run a job by the limits of the pool that serves its queue; how it ended, and what it was,
    with its reports.

    Writes nothing. `refusal` is what a gate of the job has raised, and `earlier_steps` tells those
    that earlier attempts have done. Ctrl-C interrupts the job and is in the outcome's `error`.
    """
    pool = pool_of(claimed.queue)
    policy = Policy.of(registry.find(claimed.definition), claimed.options, pool)
    watched = WatchedJob(claimed, policy)
    watched.earlier_steps = earlier_steps
    outcome = runner.run(
        claimed,
        pool=pool,
        policy=policy,
        interruptible=True,
        refusal=refusal,
        current=lambda *given: watched,
    )
    return outcome, watched


def pool_of(queue: str) -> Pool:
    """The pool that serves a queue; the site's first one, where none does."""
    pools = list(settings.POOLS.values())
    return next((pool for pool in pools if queue in pool.queues), pools[0])


def refuse_event_loop(function: str) -> None:
    """Raise RuntimeError where an event loop runs: neither a query nor a coroutine job can be run
    from there."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        f"{function}() cannot be called where an event loop runs: await a{function}()"
    )
