"""Places: which jobs a limit lets start, which have to wait, and who comes next.

A job that finds no room is blocked, and does not come back to a worker before there may be some:
when a place is freed, or at the moment when the next start is due, as many waiting jobs are woken
as there is room for. For each a place is kept for a while, so that no newcomer is quicker.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID

from jobs.ledger.limit_keys import Key, LimitKeys
from jobs.ledger.moments import microseconds
from jobs.ledger.outcome import ClaimedJob
from jobs.limits import rates
from jobs.limits.kinds import LimitKind, Want
from jobs.limits.rates import Counted

AT_ONCE = 100
"""Waiting jobs that are woken, and keys that are looked at, by one call."""
SOMEBODY_WAITS = "EXISTS (SELECT 1 FROM jobs_limitkey WHERE wake_at IS NOT NULL)"
_SOME_LEFT = (
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM jobs_limitslot) OR EXISTS (SELECT 1 FROM jobs_limitwait)"
)
_HAIR = 1e-6
"""What sums of fractions may be wrong by."""


class Places(LimitKeys):
    """The part of the ledger that keeps limits, the same on both databases."""

    room_in: float | None = None
    """Seconds from the last `promote` until a limit may have room for who waits; None if there is
    nothing to wait for."""

    def admit(self, job: ClaimedJob, wants: Sequence[Want]) -> bool:
        """Let a claimed job start, with a place in each of these limits; if one has no room, block
        the job until it is woken, at the cost of no attempt, and return False.

        False too if the job is not this claim's any more. May be repeated when its answer was lost.
        """
        if not wants:
            return True
        with self.transaction():
            now = self.now()
            keys = self._lock_named(wants)
            for want in wants:
                if not self._has_room(keys[want.limit, want.key], want, job, now):
                    self._block(job, keys[want.limit, want.key], want, now)
                    return False
            if not self._still_runs(job):
                return False
            for want in wants:
                self._take_place(keys[want.limit, want.key], want, job, now)
            self._run("DELETE FROM jobs_limitwait WHERE job_id = %s", [self._uuid(job.id)])
        return True

    def spend(self, limit: str, key: str, cost: float) -> None:
        """Count so much against a limit on starts, whether there is room or not."""
        with self.transaction():
            found = self._lock_named([Want(limit, key)])[limit, key]
            self._count_start(found, cost, self.now())

    def report(self, limit: str, key: str, *, failed: bool) -> set[str]:
        """Tell a breaker how a job ended; return the queues of those who were woken by that."""
        if not failed and not self._fetch(
            "SELECT 1 FROM jobs_limitkey WHERE limit_id = %s AND key = %s AND spent > 0",
            [limit, key],
        ):
            return set()
        with self.transaction():
            found = self._lock_named([Want(limit, key)])[limit, key]
            now = self.now()
            found.counted = _reported(found, microseconds(now), failed)
            self._write_count(found)
            return self._wake(found, now)

    def free_places(self, job_ids: Sequence[UUID]) -> set[str]:
        """Free what these jobs hold, and wake who waits for it; return the queues of those."""
        if not job_ids:
            return set()
        some, values = self._among("job_id", job_ids)
        freed = self._fetch(
            f"DELETE FROM jobs_limitslot WHERE {some} RETURNING limit_key_id", values
        )
        return self.wake_keys({row[0] for row in freed})

    def wake_keys(self, key_ids: Iterable[int]) -> set[str]:
        """Wake as many of those who wait for these keys as there is room for; return their
        queues."""
        ids = sorted(set(key_ids))
        queues: set[str] = set()
        if not ids:
            return queues
        with self.transaction():
            places = ", ".join(["%s"] * len(ids))
            keys = self._lock_keys(f"key.id IN ({places})", ids)
            now = self.now()
            for key in keys:
                queues |= self._wake(key, now)
        return queues

    def wake_due(self) -> set[str]:
        """Wake for the keys whose moment has come; return the queues."""
        found = self._fetch(
            "SELECT id, wake_at FROM jobs_limitkey WHERE wake_at IS NOT NULL "
            "ORDER BY wake_at LIMIT %s",
            [AT_ONCE],
        )
        if not found:
            return self._nobody_waits()
        now = self.now()
        moments = {row[0]: self._as_moment(row[1]) for row in found}
        queues = self.wake_keys([key for key, wake_at in moments.items() if wake_at <= now])
        left = [wake_at for wake_at in moments.values() if wake_at > now]
        self.room_in = (min(left) - now).total_seconds() if left else None
        return queues

    def _nobody_waits(self) -> set[str]:
        self.room_in = None
        return set()

    def mend_places(self) -> set[str]:
        """Free the places of jobs that do not run any more, forget those who no longer wait, and
        wake where there is room: what a lost worker, a cancellation, or a limit that was raised
        leaves behind. Returns the queues of those who were woken."""
        # Asked every few seconds, nearly always in vain: then this is all.
        if not self._fetch(_SOME_LEFT, ()):
            return set()
        freed = self._fetch(
            "DELETE FROM jobs_limitslot WHERE NOT EXISTS (SELECT 1 FROM jobs_job AS job "
            "WHERE job.id = jobs_limitslot.job_id AND job.state = 'running' "
            "AND job.fence = jobs_limitslot.fence) RETURNING limit_key_id",
            (),
        )
        self._run(
            "DELETE FROM jobs_limitwait WHERE NOT EXISTS (SELECT 1 FROM jobs_job AS job "
            "WHERE job.id = jobs_limitwait.job_id "
            "AND job.state IN ('blocked', 'ready', 'running'))"
        )
        waited_for = self._fetch(
            "SELECT DISTINCT limit_key_id FROM jobs_limitwait WHERE woken_at IS NULL LIMIT %s",
            [AT_ONCE],
        )
        return self.wake_keys({row[0] for row in [*freed, *waited_for]})

    def _has_room(self, key: Key, want: Want, job: ClaimedJob, now: dt.datetime) -> bool:
        if not key.is_closed_breaker and not self._was_woken(job) and self._first_waiting(key, 1):
            return False
        return self._room(key, now, but=job.id) >= key.needs(want.cost) - _HAIR

    def _take_place(self, key: Key, want: Want, job: ClaimedJob, now: dt.datetime) -> None:
        if key.rate is not None:
            self._count_start(key, want.cost, now)
            return
        if key.is_closed_breaker:
            return
        expires_at = now + want.expire_after if want.expire_after is not None else None
        self._run(
            "INSERT INTO jobs_limitslot (limit_key_id, job_id, fence, taken_at, expires_at) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (job_id, limit_key_id) DO UPDATE "
            "SET fence = excluded.fence, taken_at = excluded.taken_at, "
            "expires_at = excluded.expires_at",
            [key.id, self._uuid(job.id), job.fence, self._moment(now), self._moment(expires_at)],
        )

    def _count_start(self, key: Key, cost: float, now: dt.datetime) -> None:
        if key.rate is not None and cost:
            key.counted = rates.spend(key.rate, key.counted, microseconds(now), cost)
            self._write_count(key)

    def _block(self, job: ClaimedJob, key: Key, want: Want, now: dt.datetime) -> None:
        blocked = self._count(
            "UPDATE jobs_job SET state = 'blocked', attempts = attempts - 1 "
            "WHERE id = %s AND state = 'running' AND fence = %s AND worker_id = %s",
            [self._uuid(job.id), job.fence, job.worker_id],
        )
        if not blocked:
            return
        self._run(
            "INSERT INTO jobs_limitwait (job_id, limit_key_id, claim_rank, cost, since, woken_at) "
            "SELECT id, %s, claim_rank, %s, %s, NULL FROM jobs_job WHERE id = %s "
            "ON CONFLICT (job_id) DO UPDATE SET limit_key_id = excluded.limit_key_id, "
            "cost = excluded.cost, woken_at = NULL",
            [key.id, want.cost, self._moment(now), self._uuid(job.id)],
        )
        self._wake_again(key, now)

    def _wake(self, key: Key, now: dt.datetime) -> set[str]:
        chosen = self._next_in_turn(key, now)
        queues: set[str] = set()
        if chosen:
            some, values = self._among("job_id", chosen)
            self._run(
                f"UPDATE jobs_limitwait SET woken_at = %s WHERE {some}",
                [self._moment(now), *values],
            )
            some, values = self._among("id", chosen)
            found = self._fetch(
                f"UPDATE jobs_job SET state = 'ready' WHERE {some} AND state = 'blocked' "
                "RETURNING queue",
                values,
            )
            self._come_back(chosen)
            queues = {row[0] for row in found}
        self._wake_again(key, now)
        return queues

    def _next_in_turn(self, key: Key, now: dt.datetime) -> list[UUID]:
        room = self._room(key, now)
        chosen: list[UUID] = []
        for job_id, cost in self._first_waiting(key, AT_ONCE):
            room -= key.needs(cost)
            if room < -_HAIR:
                break
            chosen.append(job_id)
        return chosen

    def _wake_again(self, key: Key, now: dt.datetime) -> None:
        """Note when there may be room for the next who waits, if nothing is freed before."""
        first = self._first_waiting(key, 1)
        wake_at = self._next_room(key, first[0][1], now) if first else None
        self._run(
            "UPDATE jobs_limitkey SET wake_at = %s WHERE id = %s", [self._moment(wake_at), key.id]
        )

    def _still_runs(self, job: ClaimedJob) -> bool:
        return bool(
            self._fetch(
                "SELECT 1 FROM jobs_job WHERE id = %s AND state = 'running' AND fence = %s "
                "AND worker_id = %s",
                [self._uuid(job.id), job.fence, job.worker_id],
            )
        )


def _reported(key: Key, now: int, failed: bool) -> Counted:
    """What a breaker knows after one more job has ended."""
    if key.kind != LimitKind.BREAKER or key.period is None:
        return key.counted
    if not failed:
        # One that began before it opened says nothing of how things are now.
        return key.counted if now < key.counted.since else Counted()
    spent = key.counted.spent + 1
    if spent < key.amount:
        return Counted(0, spent)
    return Counted(now + key.period // dt.timedelta(microseconds=1), spent)
