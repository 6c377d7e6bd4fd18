"""The keys of limits: locked, and how much room there is under each.

All that is done about one key of a limit is done under the lock of its row; keys are locked in the
order of their ids, and before jobs.
"""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any
from uuid import UUID

from jobs.exceptions import UnknownLimit
from jobs.ledger.moments import microseconds, moment
from jobs.ledger.outcome import ClaimedJob
from jobs.ledger.tag_pauses import TagPauses
from jobs.limits import rates
from jobs.limits.kinds import LimitKind, Want
from jobs.limits.rates import Counted, Rate

KEPT_FOR = dt.timedelta(seconds=30)
"""For so long a place is kept for a job that was woken; its queue may be paused, or long."""
LEAST = 0.001
"""What must be left of a limit on starts for a job that counts only what it spends."""
_NOBODY = UUID(int=0)


@dataclass(slots=True)
class Key:
    """A row of `jobs_limitkey` that is locked, with what its limit allows now."""

    id: int
    name: tuple[str, str]
    kind: str
    amount: int
    period: dt.timedelta | None
    burst: int | None
    counted: Counted
    """Of a breaker `spent` are the exceptions in a row, and `since` is when it is to be tried;
    0 while it is closed."""

    @property
    def rate(self) -> Rate | None:
        """None for a limit that does not count starts."""
        if self.kind in (LimitKind.CONCURRENCY, LimitKind.BREAKER):
            return None
        assert self.period is not None
        period = self.period // dt.timedelta(microseconds=1)
        return Rate(self.kind, self.amount, period, self.burst)

    @property
    def is_closed_breaker(self) -> bool:
        return self.kind == LimitKind.BREAKER and not self.counted.since

    def needs(self, cost: float) -> float:
        """What must be left for a job to start: a place, or what it costs. One that costs more than
        there is ever room for has to do with all there is; one that costs nothing at its start
        needs something to be left all the same."""
        return 1 if self.rate is None else min(max(cost, LEAST), self.rate.most)


class LimitKeys(TagPauses):
    """What is known of the keys of limits, the same on both databases."""

    def _lock_named(self, wants: Sequence[Want]) -> dict[tuple[str, str], Key]:
        """The keys that are asked for, locked; made where there are none yet.

        Raises UnknownLimit if a limit has no row.
        """
        names = list(dict.fromkeys((want.limit, want.key) for want in wants))
        either = " OR ".join(["key.limit_id = %s AND key.key = %s"] * len(names))
        values = [value for name in names for value in name]
        keys = self._lock_keys(either, values)
        if len(keys) < len(names):
            for limit, key in names:
                self._run(
                    "INSERT INTO jobs_limitkey "
                    "(limit_id, key, counted_from, spent, spent_before) "
                    "SELECT lim.name, %s, 0, 0, 0 FROM jobs_limit AS lim WHERE lim.name = %s "
                    "ON CONFLICT (limit_id, key) DO NOTHING",
                    [key, limit],
                )
            keys = self._lock_keys(either, values)
        found = {key.name: key for key in keys}
        for limit, key in names:
            if (limit, key) not in found:
                raise UnknownLimit(limit)
        return found

    def _lock_keys(self, condition: str, values: Sequence[Any]) -> list[Key]:
        found = self._fetch(
            "SELECT key.id, key.limit_id, key.key, lim.kind, lim.amount, lim.period, lim.burst, "
            "key.counted_from, key.spent, key.spent_before "
            "FROM jobs_limitkey AS key JOIN jobs_limit AS lim ON lim.name = key.limit_id "
            f"WHERE {condition} ORDER BY key.id{self._for_update('key')}",
            values,
        )
        return [
            Key(
                row[0], (row[1], row[2]), row[3], row[4], _period(row[5]), row[6],
                Counted(row[7], row[8], row[9]),
            )
            for row in found
        ]  # fmt: skip

    def _room(self, key: Key, now: dt.datetime, but: UUID | None = None) -> float:
        """How much is left for one who asks, beside what is kept for those who were woken."""
        at = microseconds(now)
        if key.rate is not None:
            return rates.room(key.rate, key.counted, at) - self._kept(key, now, but)
        most: float = key.amount
        if key.kind == LimitKind.BREAKER:
            if key.is_closed_breaker:
                return inf
            # Open; and then a single one is to try.
            most = 1 if at >= key.counted.since else 0
        return most - self._held(key, now, but) - self._kept(key, now, but)

    def _next_room(self, key: Key, cost: float, now: dt.datetime) -> dt.datetime | None:
        """When there may be room, if nothing is freed before; None if that is never."""
        if key.rate is not None:
            wanted = min(key.needs(cost) + self._kept(key, now), key.rate.most)
            return moment(rates.room_at(key.rate, key.counted, microseconds(now), wanted))
        if key.kind == LimitKind.BREAKER:
            if key.is_closed_breaker:
                return now
            tried_at = moment(key.counted.since)
            return tried_at if tried_at > now else None
        found = self._fetch(
            "SELECT MIN(expires_at) FROM jobs_limitslot WHERE limit_key_id = %s "
            "AND expires_at > %s",
            [key.id, self._moment(now)],
        )
        return self._as_moment(found[0][0]) if found[0][0] is not None else None

    def _held(self, key: Key, now: dt.datetime, but: UUID | None = None) -> int:
        found = self._fetch(
            "SELECT COUNT(*) FROM jobs_limitslot WHERE limit_key_id = %s AND job_id <> %s "
            "AND (expires_at IS NULL OR expires_at > %s)",
            [key.id, self._uuid(but or _NOBODY), self._moment(now)],
        )
        return int(found[0][0])

    def _kept(self, key: Key, now: dt.datetime, but: UUID | None = None) -> float:
        """What is kept for those who were woken and have not come yet."""
        found = self._fetch(
            "SELECT cost FROM jobs_limitwait WHERE limit_key_id = %s AND job_id <> %s "
            "AND woken_at IS NOT NULL AND woken_at > %s",
            [key.id, self._uuid(but or _NOBODY), self._moment(now - KEPT_FOR)],
        )
        return sum(key.needs(row[0]) for row in found)

    def _first_waiting(self, key: Key, count: int) -> list[tuple[UUID, float]]:
        """Who comes next, and what each costs."""
        found = self._fetch(
            "SELECT job_id, cost FROM jobs_limitwait WHERE limit_key_id = %s "
            "AND woken_at IS NULL ORDER BY claim_rank, job_id LIMIT %s",
            [key.id, count],
        )
        return [(UUID(row[0]) if isinstance(row[0], str) else row[0], row[1]) for row in found]

    def _was_woken(self, job: ClaimedJob) -> bool:
        return bool(
            self._fetch(
                "SELECT 1 FROM jobs_limitwait WHERE job_id = %s AND woken_at IS NOT NULL",
                [self._uuid(job.id)],
            )
        )

    def _write_count(self, key: Key) -> None:
        self._run(
            "UPDATE jobs_limitkey SET counted_from = %s, spent = %s, spent_before = %s "
            "WHERE id = %s",
            [key.counted.since, key.counted.spent, key.counted.before, key.id],
        )

    @abstractmethod
    def _for_update(self, alias: str) -> str:
        """What locks the rows of a SELECT, where the transaction itself does not."""

    @abstractmethod
    def _as_moment(self, value: Any) -> dt.datetime:
        """A moment from what the database returned."""


def _period(value: Any) -> dt.timedelta | None:
    """SQLite keeps microseconds."""
    return dt.timedelta(microseconds=value) if isinstance(value, int) else value
