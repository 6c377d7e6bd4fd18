"""How many of django-q2's rows are kept, and how long."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass

from django.db import router
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import Failure, Schedule, Success, Task

from jobs.conf import settings
from jobs.django_q2.calls import OldCall
from jobs.models import DjangoQ2Anchor

BATCH = 500
EXACT = 500
"""Up to this `save_limit` every success prunes; above, one in so many, as each has to sort more."""

_saved: Counter[str] = Counter()


@dataclass(frozen=True, slots=True)
class PruneReport:
    """How many rows went."""

    failures: int = 0
    anchors: int = 0


def prune_successes(call: OldCall) -> int:
    """Delete the oldest successes beyond `save_limit`, of all or of this call's `save_limit_per`;
    return how many.

    Locks nothing but what it deletes, and works off an excess in batches. With a limit above 500
    there may be 1 % more.
    """
    limit = Conf.SAVE_LIMIT
    if limit <= 0:
        return 0
    same = _same(call)
    place = "".join(same.values())
    _saved[place] += 1
    if _saved[place] < limit // EXACT:
        return 0
    del _saved[place]
    database = router.db_for_write(Task)
    newest = Success.objects.using(database).filter(**same).order_by("-stopped", "-id")
    beyond = list(newest.values_list("pk", flat=True)[limit : limit + BATCH])
    if not beyond:
        return 0
    deleted: int = Task.objects.using(database).filter(pk__in=beyond).delete()[0]
    return deleted


def run_once(now: dt.datetime | None = None) -> PruneReport:
    """Delete failures older than JOBS_RETENTION keeps failed jobs, and what was remembered of
    schedules that are gone, in batches."""
    return PruneReport(failures=_prune_failures(now or timezone.now()), anchors=_prune_anchors())


def _prune_failures(now: dt.datetime) -> int:
    age = settings.RETENTION["failed"]
    if age is None:
        return 0
    database = router.db_for_write(Task)
    old = Failure.objects.using(database).filter(stopped__lt=now - age).order_by("stopped")
    deleted = 0
    while some := list(old.values_list("pk", flat=True)[:BATCH]):
        deleted += Task.objects.using(database).filter(pk__in=some).delete()[0]
    return deleted


def _prune_anchors() -> int:
    known = set(Schedule.objects.values_list("pk", flat=True))
    anchors = DjangoQ2Anchor.objects.using(settings.DATABASE)
    gone = [pk for pk in anchors.values_list("pk", flat=True) if pk not in known]
    return anchors.filter(pk__in=gone).delete()[0] if gone else 0


def _same(call: OldCall) -> dict[str, str]:
    per = Conf.SAVE_LIMIT_PER
    value = {"func": call.func, "name": call.options.name, "group": call.options.group}.get(per)
    return {per: value} if value else {}
