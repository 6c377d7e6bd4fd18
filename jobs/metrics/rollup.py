"""Rolling up: what happened becomes figures by the minute, minutes become hours, hours days.

The clock of the leading cluster does it, some seconds after each minute, from the rows of the
ledger; no job and no worker does anything for it. What is done once is there once: a stretch is
written together with the mark that says so.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from jobs.conf import settings as conf
from jobs.identifiers import uuid7_floor, uuid7_moment
from jobs.ledger import Ledger, ledger
from jobs.ledger.rows import as_moment, as_uuid
from jobs.metrics.figures import Figures, add_up
from jobs.metrics.minute import Pair, figures_of_minute
from jobs.models import JobMetric, MetricLevel, MetricMark
from jobs.models.metric import LENGTHS

LATE = dt.timedelta(seconds=15)
"""How long after the end of a minute what happened in it may still be written."""
AT_ONCE = 20
"""Stretches of a level that one call rolls up."""
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BELOW = {MetricLevel.HOUR: MetricLevel.MINUTE, MetricLevel.DAY: MetricLevel.HOUR}
"""What a level is made of."""
LOOK_BACK = dt.timedelta(hours=1)
"""What the first call of all looks at, at most."""


def run_once(now: dt.datetime | None = None) -> int:
    """Roll up what is complete and not done yet, some stretches of each level; return how many.

    `now` is the database's clock unless given.
    """
    book = ledger()
    moment = now or book.now()
    if not _is_due(book, moment):
        return 0
    return sum(_advance(book, level, moment) for level in LENGTHS)


def _is_due(book: Ledger, now: dt.datetime) -> bool:
    """Whether a minute is complete that is not rolled up; hours and days end with one. Asked every
    few seconds, nearly always in vain: then this is all."""
    found = book.look("SELECT until FROM jobs_metricmark WHERE level = 'minute'")
    return not found or as_moment(found[0][0]) + LENGTHS[MetricLevel.MINUTE] <= now - LATE


def _advance(book: Ledger, level: MetricLevel, now: dt.datetime) -> int:
    done = 0
    while done < AT_ONCE and _advance_once(book, level, now):
        done += 1
    return done


def _advance_once(book: Ledger, level: MetricLevel, now: dt.datetime) -> bool:
    """Roll up the next stretch, if it is complete and nobody else is at it."""
    with transaction.atomic(using=conf.DATABASE):
        marks = MetricMark.objects.using(conf.DATABASE)
        if not marks.filter(pk=level).exists():
            marks.get_or_create(pk=level, defaults={"until": _beginning(book, level, now)})
        held = marks.select_for_update(skip_locked=True).filter(pk=level).first()
        if held is None:
            return False
        start = held.until
        end = start + LENGTHS[level]
        if end > _complete_until(level, now):
            return False
        found = _found(book, level, start, end)
        _write(level, start, found)
        if level == MetricLevel.MINUTE:
            _add_to_ever(found)
        marks.filter(pk=level).update(until=end)
    return True


def _beginning(book: Ledger, level: MetricLevel, now: dt.datetime) -> dt.datetime:
    """Where the first call of all begins: with the first job that came in the last hour. Of the
    first hour and day it sees the end alone."""
    since = now - LOOK_BACK
    sql = "SELECT id FROM jobs_job WHERE id >= %s ORDER BY id LIMIT 1"
    found = book.look(sql, [book.stored(uuid7_floor(since))])
    first = max(uuid7_moment(as_uuid(found[0][0])), since) if found else now
    return floor(floor(min(first, now), MetricLevel.MINUTE), level)


def _complete_until(level: MetricLevel, now: dt.datetime) -> dt.datetime:
    """Up to when there is all that this level is made of."""
    if level == MetricLevel.MINUTE:
        return now - LATE
    marks = MetricMark.objects.using(conf.DATABASE).filter(pk=BELOW[level])
    return marks.values_list("until", flat=True).first() or dt.datetime.min.replace(tzinfo=dt.UTC)


def _found(
    book: Ledger, level: MetricLevel, start: dt.datetime, end: dt.datetime
) -> dict[Pair, Figures]:
    if level == MetricLevel.MINUTE:
        return figures_of_minute(book, start, end)
    rows = JobMetric.objects.using(conf.DATABASE).filter(level=BELOW[level])
    return add_up(rows.filter(at__gte=start, at__lt=end), _pair)


def _pair(row: JobMetric) -> Pair:
    return row.queue, row.definition


def _write(level: MetricLevel, at: dt.datetime, found: dict[Pair, Figures]) -> None:
    """Insert the rows, or write over those that are there."""
    rows = [
        JobMetric(level=level, at=at, queue=queue, definition=definition, **one.columns())
        for (queue, definition), one in found.items()
    ]
    JobMetric.objects.using(conf.DATABASE).bulk_create(
        rows,
        batch_size=500,
        update_conflicts=True,
        unique_fields=["level", "at", "queue", "definition"],
        update_fields=list(Figures().columns()),
    )


def _add_to_ever(found: dict[Pair, Figures]) -> None:
    """Let the rows grow that count all there ever was."""
    definitions = {definition for _, definition in found}
    rows = JobMetric.objects.using(conf.DATABASE).filter(
        level=MetricLevel.EVER, definition__in=definitions
    )
    before = add_up(rows, _pair)
    grown = {}
    for pair, figures in found.items():
        grown[pair] = before.get(pair, Figures())
        grown[pair].add(figures)
    _write(MetricLevel.EVER, EPOCH, grown)


def floor(moment: dt.datetime, level: MetricLevel) -> dt.datetime:
    """The beginning of the stretch that a moment is in."""
    day = moment.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + (moment - day) // LENGTHS[level] * LENGTHS[level]
