"""Paused tags: their jobs are put aside when a worker finds them, and let go when the pause ends.

What is ready is left alone when a tag is paused: that would be a search among all jobs that have
the tag. A claim that finds a pause in force looks for the tags of what it has taken, and blocks
those jobs, at the cost of no attempt; each is found once. So a pause holds from its commit on, and
whatever the way by which a job became ready.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from jobs.ledger.outcome import ClaimedJob
from jobs.ledger.rows import as_uuid
from jobs.ledger.sequences import Sequences

AT_ONCE = 500
"""Jobs put aside, or let go, in one transaction."""
ROUNDS = 20
"""Transactions in one go, so that the clock's other work does not wait."""
SOME_PAUSED = "EXISTS (SELECT 1 FROM jobs_tagpause)"

Claimed = tuple[list[ClaimedJob], bool]
"""Jobs, and whether some tag is paused."""


class TagPauses(Sequences):
    """The part of the ledger that keeps paused tags, the same on both databases."""

    def _past_paused(
        self, claimed: list[ClaimedJob], limit: int, claim: Callable[[int], Claimed]
    ) -> list[ClaimedJob]:
        """Of what was claimed what may start; if that is nothing, of what comes after it.

        Where many wait at the head of a queue they are put aside by the hundred.
        """
        startable = self._startable(claimed)
        while claimed and not startable:
            claimed, _ = claim(max(limit, AT_ONCE))
            startable = self._startable(claimed)
        self.give_back(startable[limit:])
        return startable[:limit]

    def _startable(self, claimed: list[ClaimedJob]) -> list[ClaimedJob]:
        """Put aside those of these jobs that have a paused tag; return the others."""
        if not claimed:
            return []
        with self.transaction():
            paused = self._paused_tags([job.id for job in claimed])
            if paused:
                self._put_aside([job for job in claimed if job.id in paused], paused)
        return [job for job in claimed if job.id not in paused]

    def _paused_tags(self, job_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Of each of these jobs a tag that is paused; such pauses stay until the transaction
        ends."""
        some, values = self._among("tag.job_id", job_ids)
        found = self._fetch(
            "SELECT tag.job_id, pause.tag FROM jobs_jobtag AS tag "
            f"JOIN jobs_tagpause AS pause ON pause.tag = tag.name WHERE {some} "
            "AND (pause.paused_until IS NULL OR pause.paused_until > %s) "
            f"ORDER BY pause.tag{self._for_share('pause')}",
            [*values, self._moment(self.now())],
        )
        return {as_uuid(job_id): tag for job_id, tag in found}

    def _put_aside(self, held: Sequence[ClaimedJob], paused: dict[UUID, str]) -> None:
        now = self._moment(self.now())
        given = [
            {
                "id": job.id.hex,
                "fence": job.fence,
                "worker": job.worker_id,
                "tag": paused[job.id],
            }
            for job in held
        ]
        columns = {"id": "uuid", "fence": "int", "worker": "bigint", "tag": "text"}
        lane, document = self._given("lane", columns), json.dumps(given)
        self._run(
            "UPDATE jobs_job AS job SET state = 'blocked', attempts = job.attempts - 1 "
            f"FROM {lane} WHERE job.id = lane.id AND job.state = 'running' "
            "AND job.fence = lane.fence AND job.worker_id = lane.worker",
            [document],
        )
        self._run(
            "INSERT INTO jobs_tagwait (job_id, pause_id, since) "
            f"SELECT lane.id, lane.tag, %s FROM {lane} "
            "JOIN jobs_job AS job ON job.id = lane.id AND job.state = 'blocked' "
            # WHERE, as else the parser of SQLite takes ON for that of a join.
            "WHERE true ON CONFLICT (job_id) DO UPDATE SET pause_id = excluded.pause_id",
            [now, document],
        )

    def let_go(self) -> set[str]:
        """Make jobs ready whose tags are not paused any more; return their queues."""
        queues: set[str] = set()
        for _ in range(ROUNDS):
            with self.transaction():
                over = self._fetch(
                    "SELECT pause.tag FROM jobs_tagpause AS pause WHERE pause.paused_until <= %s "
                    f"ORDER BY pause.paused_until LIMIT 1{self._for_update_unlocked('pause')}",
                    [self._moment(self.now())],
                )
                if not over:
                    break
                queues |= self._let_some_go(over[0][0])
        return queues

    def _let_some_go(self, tag: str) -> set[str]:
        waiting = self._fetch(
            "SELECT job_id FROM jobs_tagwait WHERE pause_id = %s LIMIT %s", [tag, AT_ONCE]
        )
        found: list[tuple[Any, ...]] = []
        if waiting:
            ids = [as_uuid(row[0]) for row in waiting]
            some, values = self._among("id", ids)
            found = self._fetch(
                f"UPDATE jobs_job SET state = 'ready' WHERE {some} AND state = 'blocked' "
                "RETURNING queue",
                values,
            )
            self._come_back(ids)
            some, values = self._among("job_id", ids)
            self._run(f"DELETE FROM jobs_tagwait WHERE {some}", values)
        if len(waiting) < AT_ONCE:
            self._run("DELETE FROM jobs_tagpause WHERE tag = %s", [tag])
        return {row[0] for row in found}

    @abstractmethod
    def _for_share(self, alias: str) -> str:
        """Let nobody change these rows until the transaction ends."""
