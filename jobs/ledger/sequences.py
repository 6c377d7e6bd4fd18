"""Jobs in sequence: the end of one lets the next go, whatever the end is."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jobs.ledger.rows import as_uuid
from jobs.ledger.sql import ENDED, FREED
from jobs.ledger.turns import Turns

_AT_ONCE = 1000
# Links of django-q2's chains follow one another too, and have a chain.
_NEXT = "state = 'blocked' AND follows_id IS NOT NULL AND chain IS NULL"


class Sequences(Turns):
    """The part of the ledger that keeps sequences, the same on both databases."""

    def release_after(self, job_ids: Sequence[UUID]) -> set[str]:
        """Let those go who follow these jobs; return their queues."""
        some, values = self._among("follows_id", job_ids)
        now = self._moment(self.now())
        with self.transaction():
            found = self._fetch(
                f"UPDATE jobs_job SET follows_id = NULL, {FREED} WHERE {some} AND {_NEXT} "
                "RETURNING id, queue, priority, tenant",
                [now, now, now, *values],
            )
            self._let_in(found)
        return {row[1] for row in found}

    def close_gaps(self, job_ids: Sequence[UUID]) -> set[str]:
        """The same, where those of these jobs that were cancelled may have stood behind others
        themselves: who followed them follows those now."""
        gone, looked_at = set(job_ids), list(job_ids)
        with self.transaction():
            while looked_at and (before := self._follow_instead(looked_at)):
                looked_at = self._ended_among(before)
                gone.update(looked_at)
            return self.release_after(sorted(gone))

    def _follow_instead(self, job_ids: Sequence[UUID]) -> list[UUID]:
        """Let those who follow these jobs follow whom these follow; return whom."""
        some, values = self._among("follows_id", job_ids)
        before = "FROM jobs_job AS before WHERE before.id = jobs_job.follows_id"
        found = self._fetch(
            f"UPDATE jobs_job SET follows_id = (SELECT before.follows_id {before}) "
            f"WHERE {some} AND {_NEXT} "
            f"AND EXISTS (SELECT 1 {before} AND before.follows_id IS NOT NULL) "
            "RETURNING follows_id",
            values,
        )
        return [as_uuid(row[0]) for row in found]

    def _ended_among(self, job_ids: Sequence[UUID]) -> list[UUID]:
        some, values = self._among("id", job_ids)
        found = self._fetch(f"SELECT id FROM jobs_job WHERE {some} AND state IN {ENDED}", values)
        return [as_uuid(row[0]) for row in found]

    def mend_sequences(self) -> set[str]:
        """Let those go whose predecessor has ended, or is gone, although nobody told; return their
        queues."""
        found = self._fetch(
            f"SELECT follows_id FROM jobs_job AS next WHERE {_NEXT} AND NOT EXISTS ("
            "SELECT 1 FROM jobs_job AS before WHERE before.id = next.follows_id "
            "AND before.state IN ('blocked', 'scheduled', 'ready', 'running')) LIMIT %s",
            [_AT_ONCE],
        )
        return self.close_gaps([as_uuid(row[0]) for row in found]) if found else set()
