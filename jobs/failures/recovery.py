"""Recovery: running failed jobs again whose definition has a rule for that.

When a job fails for good, the rule decides at once whether and when it runs again, and the failed
job keeps both the time and how often its line of retries was recovered before. So the clock looks
into one small index, and no line has to be walked.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from jobs import registry
from jobs.conf import settings as conf
from jobs.failures import redrive
from jobs.ledger import ledger
from jobs.models import FailedJob
from jobs.models.failure import FailedJobQuerySet

BATCH = 500
UNKNOWN_AGAIN = dt.timedelta(minutes=10)
"""A definition that the leader's code does not know may be known to the next leader's."""

logger = logging.getLogger("jobs.failures")


@dataclass(slots=True)
class RecoveryReport:
    """How many failed jobs run again; `dropped` are those whose rule is gone or that cannot be made
    into a job any more, and wait for an operator now."""

    recovered: int = 0
    dropped: int = 0
    postponed: int = 0
    """Their definition is not known to the code that runs here."""

    def __bool__(self) -> bool:
        return bool(self.recovered or self.dropped or self.postponed)

    @property
    def total(self) -> int:
        return self.recovered + self.dropped + self.postponed


def run_once(now: dt.datetime | None = None) -> RecoveryReport:
    """Retry the failed jobs whose time by their rule has come, 500 at the most, in one transaction.

    Safe to repeat, and by several at once. `now` is the database's clock unless given.
    """
    report = RecoveryReport()
    # Before the transaction, which on SQLite keeps others from writing even if nothing is due.
    due = list(_due(now).values_list("pk", "definition")[:BATCH])
    if not due:
        return report
    unknown, without, ready = _by_rule(due)
    with transaction.atomic(using=conf.DATABASE):
        rows = FailedJob.objects.using(conf.DATABASE).unretried()
        if unknown:
            later = (now or ledger().now()) + UNKNOWN_AGAIN
            rows.filter(pk__in=unknown).update(recover_at=later)
        batch = redrive.retry_batch(ready, by_rule=True)
        if dropped := without + batch.refused_ids:
            rows.filter(pk__in=dropped).update(recover_at=None)
    for why, count in batch.refused.items():
        logger.warning("%s failed jobs cannot be recovered: %s", count, why)
    report.recovered = len(batch.job_ids)
    report.dropped, report.postponed = len(dropped), len(unknown)
    return report


def _due(now: dt.datetime | None) -> FailedJobQuerySet:
    rows: FailedJobQuerySet = FailedJob.objects.using(conf.DATABASE).unretried()
    return rows.filter(recover_at__lte=now or Now(), recover_at__isnull=False).order_by(
        "recover_at"
    )


def _by_rule(due: list[tuple[UUID, str]]) -> tuple[list[UUID], list[UUID], list[UUID]]:
    """Those of unknown definitions, those of definitions without a rule now, and the others."""
    unknown, without, ready = list[UUID](), list[UUID](), list[UUID]()
    for pk, name in due:
        definition = registry.find(name)
        if definition is None:
            unknown.append(pk)
        elif definition.recover is None or definition.delivery == "at_most_once":
            without.append(pk)
        else:
            ready.append(pk)
    return unknown, without, ready
