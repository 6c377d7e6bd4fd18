"""Where failures come from: their trend, and what those of one cause have in common.

Every function reads a bounded number of the newest failed jobs through an index, and says where
there are more.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import connections
from django.db.models import Count, Max, Min

from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption
from jobs.ledger import ledger
from jobs.ledger.arrivals import batches
from jobs.models import FailedJob

HOURS = 24
PER_GROUP = 10_000
"""Of each group a trend looks at so many failures."""
SAMPLE = 50_000
"""A pivot looks at so many."""
AT_ONCE = 250
"""A query has a part for each of so many groups; SQLite takes no more than 500."""
LINES = 50
"""A pivot has so many lines."""

DIMENSIONS = {
    "definition": "definition",
    "queue": "queue",
    "exception": "exception_class",
    "host": "worker__host",
    "release": "worker__cluster__release",
    "worker": "worker_id",
}
"""What failures can be told apart by, and the field that says it."""


@dataclass(frozen=True, slots=True)
class Trend:
    """How often a group failed in each of the last hours, the current hour last."""

    counts: list[int]
    more: bool = False
    """Whether there were more failures than were looked at: the early hours are too low."""

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def amount(self) -> str:
        return f"{self.total:,}+" if self.more else f"{self.total:,}"


@dataclass(frozen=True, slots=True)
class Line:
    """Failures that agree in what a pivot is by; `values` are in the order of its `by`."""

    values: tuple[str, ...]
    count: int
    first: dt.datetime
    last: dt.datetime


@dataclass(frozen=True, slots=True)
class Pivot:
    """Failures of a period, counted by some of DIMENSIONS, the most frequent first."""

    by: tuple[str, ...]
    lines: list[Line]
    looked_at: int
    more: bool
    """Whether the period has more failures than were looked at, which are the newest."""


@dataclass(frozen=True, slots=True)
class Affected:
    """The queues and definitions that failures of a group are on, with how often."""

    queues: Counter[str] = field(default_factory=Counter)
    definitions: Counter[str] = field(default_factory=Counter)
    more: bool = False
    """Whether there are more failures than were looked at."""

    @property
    def by_queue(self) -> list[tuple[str, int]]:
        """The queues, the most frequent first."""
        return self.queues.most_common()

    @property
    def by_definition(self) -> list[tuple[str, int]]:
        """The definitions, the most frequent first."""
        return self.definitions.most_common()


def trends(
    fingerprints: Iterable[str], now: dt.datetime | None = None, *, hours: int = HOURS
) -> dict[str, Trend]:
    """The trend of each of these groups over the last hours: one query for each 250 groups. Hours
    begin when they do on a clock that shows UTC."""
    wanted = list(dict.fromkeys(fingerprints))
    current = int((now or ledger().now()).timestamp()) // 3600
    start = dt.datetime.fromtimestamp((current - hours + 1) * 3600, dt.UTC)
    counts = {fingerprint: [0] * hours for fingerprint in wanted}
    for some in batches(wanted, AT_ONCE):
        for fingerprint, hour, count in _per_hour(some, start):
            # A failure may bear a time that is ahead of this clock.
            place = min(int(hour) - current + hours - 1, hours - 1)
            counts[fingerprint][place] += count
    return {one: Trend(found, sum(found) >= PER_GROUP) for one, found in counts.items()}


def pivot(
    by: Sequence[str],
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    fingerprint: str = "",
    sample: int = SAMPLE,
    lines: int = LINES,
) -> Pivot:
    """Count the failures of a period by one or more of DIMENSIONS; of one group, if it is given.

    The newest `sample` failures are looked at, and the `lines` most frequent combinations told.
    Raises InvalidOption for a dimension that there is not.
    """
    fields = [_field(name) for name in by]
    if not fields:
        raise InvalidOption("by", list(by), f"must name some of {', '.join(DIMENSIONS)}")
    rows = FailedJob.objects.using(conf.DATABASE).all()
    if fingerprint:
        rows = rows.filter(fingerprint=fingerprint)
    if since is not None:
        rows = rows.filter(failed_at__gte=since)
    if until is not None:
        rows = rows.filter(failed_at__lte=until)
    newest = rows.order_by("-failed_at").values("pk")
    looked_at = newest[: sample + 1].count()
    chosen = FailedJob.objects.using(conf.DATABASE).filter(pk__in=newest[:sample])
    found = (
        chosen.order_by()
        .values_list(*fields)
        .annotate(rows=Count("pk"), first=Min("failed_at"), last=Max("failed_at"))
        .order_by("-rows", *fields)[:lines]
    )
    told = [
        Line(tuple("" if value is None else str(value) for value in row[:-3]), *row[-3:])
        for row in found
    ]
    return Pivot(tuple(by), told, min(looked_at, sample), looked_at > sample)


def affected(fingerprint: str) -> Affected:
    """Which queues and definitions the failed jobs of a group are of."""
    found = pivot(("queue", "definition"), fingerprint=fingerprint)
    told = Affected(more=found.more)
    for line in found.lines:
        queue, definition = line.values
        told.queues[queue] += line.count
        told.definitions[definition] += line.count
    return told


def queues_of(fingerprints: Iterable[str], *, sample: int = 1_000) -> dict[str, list[str]]:
    """The queues that the newest failures of each of these groups are on: one query for each 250
    groups."""
    wanted = list(dict.fromkeys(fingerprints))
    found: dict[str, list[str]] = {fingerprint: [] for fingerprint in wanted}
    for some in batches(wanted, AT_ONCE):
        newest = _newest(len(some), "queue", period="")
        parameters = [value for fingerprint in some for value in (fingerprint, sample)]
        sql = f"SELECT DISTINCT fingerprint, queue FROM ({newest}) AS newest ORDER BY 1, 2"
        with connections[conf.DATABASE].cursor() as cursor:
            cursor.execute(sql, parameters)
            for fingerprint, queue in cursor.fetchall():
                found[fingerprint].append(queue)
    return found


_HOUR = {
    "postgresql": "CAST(FLOOR(EXTRACT(EPOCH FROM failed_at) / 3600) AS bigint)",
    "sqlite": "CAST(strftime('%%s', failed_at) AS integer) / 3600",
}
"""The hours since the epoch, at which a job failed."""


def _per_hour(fingerprints: Sequence[str], start: dt.datetime) -> list[tuple[str, int, int]]:
    connection = connections[conf.DATABASE]
    since = connection.ops.adapt_datetimefield_value(start)
    newest = _newest(len(fingerprints), "failed_at", period="AND failed_at >= %s")
    sql = (
        f"SELECT fingerprint, {_HOUR[connection.vendor]} AS hour, COUNT(*) "
        f"FROM ({newest}) AS newest GROUP BY 1, 2"
    )
    parameters = [value for one in fingerprints for value in (one, since, PER_GROUP)]
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _newest(groups: int, column: str, *, period: str) -> str:
    """The newest failures of so many groups: each is read from its own part of the index, and no
    further than its limit."""
    part = (
        f"SELECT * FROM (SELECT fingerprint, {column} FROM jobs_failedjob "
        f"WHERE fingerprint = %s {period} ORDER BY failed_at DESC LIMIT %s) AS part"
    )
    return " UNION ALL ".join([part] * groups)


def _field(name: str) -> str:
    if name not in DIMENSIONS:
        raise InvalidOption("by", name, f"must be one of {', '.join(DIMENSIONS)}")
    return DIMENSIONS[name]
