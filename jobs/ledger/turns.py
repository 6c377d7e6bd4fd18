"""Turns: the order of a queue that tenants share fairly (JOBS_FAIR_QUEUES).

Each job of such a queue gets a turn when it becomes ready: a round after the last waiting one of
its tenant, and none before the first that waits at all. So the jobs of a tenant stand a round
apart, however many came at once, and whoever comes new stands in the round that is being served.
A tenant of weight 3 has three jobs in each round; what one does not use the others have. The turn
stands in `claim_rank` in place of the deadline, so the claim knows nothing of all this. It is the
start tag of start-time fair queueing (Goyal, Vin and Cheng, 1996), with the first waiting turn as
virtual time. Time must not run backwards: a job that comes back, because its worker gave it back or
what it waited for is over, keeps its turn only if none that waits has an earlier one.

Turns are read without locks: callers must not wait for each other. Two that enqueue for one tenant
at the same moment may be given the same turn, so a tenant gains at most as many jobs in a round as
it has transactions open at once.
"""

from __future__ import annotations

import datetime as dt
import json
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.utils import timezone

from jobs.conf import settings
from jobs.ledger.order import LEVEL, NO_DEADLINE, TURNS, claim_rank, first_rank
from jobs.ledger.rows import as_moment, as_uuid
from jobs.ledger.sql import SqlLedger

if TYPE_CHECKING:
    from jobs.dispatch import NewJob

NOBODY = "-"
"""The tenant of jobs in a fair queue that name none: they have one share together."""
ROUND = 5040
"""The length of a round in turns: so many have whole parts."""
_LAST = TURNS - 1
_LATE = TURNS // 2
"""From here on turns are moved back to the beginning: a queue may never run dry."""
_AT_ONCE = 1000
_SOON = dt.timedelta(seconds=5)
"""More than clocks differ by."""

_STANDING = """
SELECT lane.place,
    (SELECT job.claim_rank FROM jobs_job AS job {by_rank}
     WHERE job.state = 'ready' AND job.queue = lane.queue
     AND job.claim_rank >= lane.low AND job.claim_rank < lane.high
     ORDER BY job.claim_rank LIMIT 1),
    (SELECT job.claim_rank FROM jobs_job AS job {by_tenant}
     WHERE job.state = 'ready' AND job.tenant > '' AND job.queue = lane.queue
     AND job.tenant = lane.tenant AND job.claim_rank >= lane.low AND job.claim_rank < lane.high
     ORDER BY job.claim_rank DESC LIMIT 1),
    (SELECT share.weight FROM jobs_tenantshare AS share
     WHERE share.tenant = lane.tenant AND share.queue IN (lane.queue, '')
     ORDER BY share.queue DESC LIMIT 1)
FROM {given}
"""

_SHARED = """
WITH RECURSIVE shared (queue) AS (
    SELECT min(queue) FROM jobs_job {by_tenant} WHERE state = 'ready' AND tenant > ''
    UNION ALL
    SELECT (SELECT min(queue) FROM jobs_job {by_tenant}
            WHERE state = 'ready' AND tenant > '' AND queue > shared.queue)
    FROM shared WHERE shared.queue IS NOT NULL
)
SELECT queue FROM shared WHERE queue IS NOT NULL
"""

_TENANTS = """
WITH RECURSIVE waiting (tenant) AS (
    SELECT min(tenant) FROM jobs_job {by_tenant}
    WHERE state = 'ready' AND tenant > '' AND queue = %s
    UNION ALL
    SELECT (SELECT min(tenant) FROM jobs_job {by_tenant}
            WHERE state = 'ready' AND tenant > '' AND queue = %s AND tenant > waiting.tenant)
    FROM waiting WHERE waiting.tenant IS NOT NULL
)
SELECT tenant, (
    SELECT id FROM jobs_job AS job {by_tenant}
    WHERE job.state = 'ready' AND job.tenant > '' AND job.queue = %s
    AND job.tenant = waiting.tenant ORDER BY job.claim_rank LIMIT 1
)
FROM waiting WHERE tenant IS NOT NULL LIMIT %s
"""


class Lane(NamedTuple):
    """Those who follow one another at a distance."""

    queue: str
    priority: int
    tenant: str


Freed = tuple[Any, str, int, str]
"""The id, queue, priority and tenant of a job that has become ready."""


class Turns(SqlLedger):
    """The part of the ledger that gives turns, the same on both databases."""

    _by_rank = ""
    _by_tenant = ""
    """What makes the database read the right index, where it would not by itself."""

    def _arrange(self, jobs: Sequence[NewJob]) -> None:
        """Give turns to those of these new jobs that will be ready on a queue which is shared."""
        fair = settings.FAIR_QUEUES
        shared = [
            job for job in jobs if job.queue in fair and job.rank is None and _may_be_ready(job)
        ]
        if not shared:
            return
        lanes = [Lane(job.queue, job.priority, job.tenant or NOBODY) for job in shared]
        for job, lane, rank in zip(shared, lanes, self._ranks(lanes), strict=True):
            job.tenant, job.rank = lane.tenant, rank

    def _let_in(self, freed: Iterable[Freed]) -> None:
        """Give turns to those of these jobs, ready now, that are on a queue which is shared; by
        their age."""
        fair = settings.FAIR_QUEUES
        shared = sorted((as_uuid(row[0]), *row[1:]) for row in freed if row[1] in fair)
        if shared:
            self._forget_turns([row[0] for row in shared])
            self._give_turns(shared)

    def _come_back(self, job_ids: Sequence[UUID]) -> None:
        """Let these jobs, which are ready again, be the first of their queue, where it is shared,
        but none be earlier than the first of the others. To be called in the transaction that made
        them ready."""
        if not settings.FAIR_QUEUES or not job_ids:
            return
        some, values = self._among("id", job_ids)
        found = self._fetch(
            f"SELECT id, queue, priority, tenant, claim_rank FROM jobs_job WHERE {some} "
            "AND state = 'ready'",
            values,
        )
        ours = {as_uuid(row[0]) for row in found}
        first = {
            (queue, priority): self._first_but(queue, first_rank(priority), ours)
            for queue, priority in {row[1:3] for row in found if row[1] in settings.FAIR_QUEUES}
        }
        self._put_ranks(
            [
                (as_uuid(key), rank, tenant)
                for key, queue, priority, tenant, old in found
                if (rank := first.get((queue, priority))) is not None and old < rank
            ]
        )

    def _first_but(self, queue: str, low: int, ours: Collection[UUID]) -> int | None:
        """The first sort key of this priority that is of another job than these."""
        found = self._fetch(
            f"SELECT id, claim_rank FROM jobs_job {self._by_rank} WHERE state = 'ready' "
            "AND queue = %s AND claim_rank >= %s AND claim_rank < %s "
            "ORDER BY claim_rank, id LIMIT %s",
            [queue, low, low + TURNS, len(ours) + 1],
        )
        return next((rank for key, rank in found if as_uuid(key) not in ours), None)

    def _forget_turns(self, job_ids: Sequence[UUID]) -> None:
        """Jobs that ran before still have the turns of then, which would turn back the time."""
        some, values = self._among("id", job_ids)
        self._run(
            f"UPDATE jobs_job SET claim_rank = claim_rank - claim_rank %% {LEVEL} + {NO_DEADLINE} "
            f"WHERE {some} AND claim_rank %% {LEVEL} < {TURNS}",
            values,
        )

    def _give_turns(self, shared: Sequence[Freed]) -> None:
        if not shared:
            return
        lanes = [Lane(row[1], row[2], row[3] or NOBODY) for row in shared]
        ranks = zip(shared, lanes, self._ranks(lanes), strict=True)
        self._put_ranks([(row[0], rank, lane.tenant) for row, lane, rank in ranks])

    def _as_held(self, job: NewJob) -> NewJob:
        """A new job that somebody holds already: given back it is the first."""
        if job.queue in settings.FAIR_QUEUES:
            job.tenant, job.rank = job.tenant or NOBODY, first_rank(job.priority)
        return job

    def mend_turns(self) -> int:
        """Bring into order what a change of JOBS_FAIR_QUEUES has left, some thousands of jobs at a
        time, and move turns back that have become high; return of how many jobs."""
        moved = 0
        for queue in settings.FAIR_QUEUES:
            for first in self._first_of_each_priority(queue):
                moved += self._include(queue, first) + self._move_back(queue, first)
        for (queue,) in self.look(_SHARED.format(by_tenant=self._by_tenant)):
            if queue not in settings.FAIR_QUEUES:
                for first in self._first_of_each_priority(queue):
                    moved += self._exclude(queue, first)
        return moved

    def waiting_tenants(self, queue: str, limit: int) -> dict[str, UUID]:
        """The tenants with ready jobs on this queue, the first ones by name, each with the job
        whose turn comes first."""
        found = self._fetch(_TENANTS.format(by_tenant=self._by_tenant), [queue] * 3 + [limit])
        return {tenant: as_uuid(job_id) for tenant, job_id in found}

    def _ranks(self, lanes: Sequence[Lane]) -> list[int]:
        """The sort keys of jobs that become ready now, in their order."""
        following = {lane: self._following(lane, *found) for lane, found in self._standing(lanes)}
        return [next(following[lane]) for lane in lanes]

    def _standing(self, lanes: Sequence[Lane]) -> Iterator[tuple[Lane, tuple[Any, Any, Any]]]:
        """Of each lane the first sort key that waits on its queue, its own last one, and its
        weight; None where there is none."""
        known = list(dict.fromkeys(lanes))
        given = [
            {
                "place": place,
                "queue": lane.queue,
                "tenant": lane.tenant,
                "low": first_rank(lane.priority),
                "high": first_rank(lane.priority) + TURNS,
            }
            for place, lane in enumerate(known)
        ]
        columns = {
            "place": "int", "queue": "text", "tenant": "text", "low": "bigint", "high": "bigint",
        }  # fmt: skip
        sql = _STANDING.format(
            given=self._given("lane", columns), by_rank=self._by_rank, by_tenant=self._by_tenant
        )
        for place, *found in self._fetch(sql, [json.dumps(given)]):
            yield known[place], (found[0], found[1], found[2])

    def _following(
        self, lane: Lane, first: int | None, last: int | None, weight: int | None
    ) -> Iterator[int]:
        step = max(round(ROUND / (weight or 1)), 1)
        low = first_rank(lane.priority)
        waiting = low if first is None else first
        rank = waiting if last is None else last + step
        while True:
            yield min(rank, low + _LAST)
            rank += step

    def _first_of_each_priority(self, queue: str) -> Iterator[int]:
        """The smallest sort key of the ready jobs of this queue, for each priority that has any."""
        low = 0
        while found := self.look(
            f"SELECT claim_rank FROM jobs_job {self._by_rank} WHERE state = 'ready' "
            "AND queue = %s AND claim_rank >= %s ORDER BY claim_rank LIMIT 1",
            [queue, low],
        ):
            yield found[0][0]
            low = _start_of(found[0][0]) + LEVEL

    def _include(self, queue: str, first: int) -> int:
        """Give turns to jobs that came before the queue was shared, in the order they stand in."""
        low = _start_of(first)
        with self.transaction():
            found = self._between(queue, low + TURNS, low + LEVEL)
            self._give_turns([(as_uuid(row[0]), *row[1:4]) for row in found])
        return len(found)

    def _exclude(self, queue: str, first: int) -> int:
        """Take the turns from jobs whose queue is not shared any more."""
        low = _start_of(first)
        with self.transaction():
            found = self._between(queue, low, low + TURNS)
            self._put_ranks(
                [
                    (
                        as_uuid(job_id),
                        claim_rank(priority, as_moment(deadline)),
                        "" if tenant == NOBODY else tenant,
                    )
                    for job_id, _, priority, tenant, deadline, _ in found
                ]
            )
        return len(found)

    def _move_back(self, queue: str, first: int) -> int:
        """Move late turns back by as much as the first one is late, which keeps the order. All of
        them: what is left would wait for whatever comes meanwhile."""
        low = _start_of(first)
        by, moved = first - low, 0
        while _LATE <= by < TURNS:
            with self.transaction():
                found = self._between(queue, low + by, low + TURNS)
                self._put_ranks([(as_uuid(row[0]), row[5] - by, row[3]) for row in found])
            moved += len(found)
            if len(found) < _AT_ONCE:
                break
        return moved

    def _between(self, queue: str, low: int, high: int) -> list[tuple[Any, ...]]:
        """The id, queue, priority, tenant, deadline and sort key of the first ready jobs with such
        sort keys, locked; none that another has locked."""
        return self._fetch(
            "SELECT job.id, job.queue, job.priority, job.tenant, job.deadline, job.claim_rank "
            f"FROM jobs_job AS job {self._by_rank} WHERE job.state = 'ready' AND job.queue = %s "
            "AND job.claim_rank >= %s AND job.claim_rank < %s "
            f"ORDER BY job.claim_rank, job.id LIMIT %s{self._for_update_unlocked('job')}",
            [queue, low, high, _AT_ONCE],
        )

    def _put_ranks(self, ranks: Sequence[tuple[UUID, int, str]]) -> None:
        if not ranks:
            return
        given = [{"id": key.hex, "place": rank, "tenant": tenant} for key, rank, tenant in ranks]
        columns = {"id": "uuid", "place": "bigint", "tenant": "text"}
        self._run(
            "UPDATE jobs_job AS job SET claim_rank = lane.place, tenant = lane.tenant "
            f"FROM {self._given('lane', columns)} WHERE job.id = lane.id AND job.state = 'ready'",
            [json.dumps(given)],
        )

    @abstractmethod
    def _among(self, column: str, job_ids: Sequence[UUID]) -> tuple[str, list[Any]]:
        """The condition that a column has one of these ids, and its parameters."""

    @abstractmethod
    def _given(self, alias: str, columns: Mapping[str, str]) -> str:
        """The rows of a JSON document, a parameter, as a table with these columns and types."""

    @abstractmethod
    def _for_update_unlocked(self, alias: str) -> str:
        """Lock the rows that nobody else has locked, and skip the others."""


def _start_of(rank: int) -> int:
    return rank // LEVEL * LEVEL


def _may_be_ready(job: NewJob) -> bool:
    """Whether the database, whose clock decides, may make a new job ready at once."""
    if job.follows_id is not None or job.blocked:
        return False
    if job.due_at is not None:
        return job.due_at <= timezone.now() + _SOON
    return job.delay is None or job.delay <= _SOON
