"""What operators decide about failure groups: resolve, reopen, mute, note; retry and forget all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from jobs import audit
from jobs.audit import Actor, Operation
from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption, UnknownFailureGroup
from jobs.failures import flushing, notify, redrive
from jobs.failures.redrive import RedriveReport
from jobs.ledger import ledger
from jobs.models import FailedJob, FailureGroup, GroupStatus
from jobs.models.failure import FailedJobQuerySet
from jobs.models.failure_group import FailureGroupQuerySet

Groups = FailureGroupQuerySet | Iterable[str]
"""Failure groups as a queryset or by their fingerprints."""

SHORTEST = 4
"""So many digits of a fingerprint name a group, if no other begins with them."""


def find(fingerprint: str) -> FailureGroup:
    """The group whose fingerprint is, or alone begins with, this.

    Raises UnknownFailureGroup, or InvalidOption for a beginning that is too short or fits several.
    """
    rows = FailureGroup.objects.using(conf.DATABASE)
    wanted = fingerprint.strip().lower()
    if "\x00" in wanted:
        raise UnknownFailureGroup(fingerprint)
    exact = rows.filter(pk=wanted).first()
    if exact is not None:
        return exact
    if len(wanted) < SHORTEST:
        raise InvalidOption("fingerprint", fingerprint, f"needs at least {SHORTEST} digits")
    found = list(rows.filter(pk__startswith=wanted).order_by("pk")[:2])
    if len(found) > 1:
        raise InvalidOption("fingerprint", fingerprint, "is the beginning of several: say more")
    if not found:
        raise UnknownFailureGroup(fingerprint)
    return found[0]


def resolve(groups: Groups, actor: Actor, reason: str = "", *, scope: str = "") -> int:
    """Hold these groups to be mended, and return how many were not resolved before.

    What fails after this opens a group again. Whoever was told of a group is told of its recovery,
    once.
    """
    changes = {
        "status": GroupStatus.RESOLVED,
        "resolved_at": Now(),
        "resolved_by": actor.name[:150],
        "muted_until": None,
    }
    operation = Operation(actor, "resolve group", scope or "selected failure groups", reason)
    with transaction.atomic(using=conf.DATABASE):
        changed = _change(groups, ~Q(status=GroupStatus.RESOLVED), changes, operation)
        notify.enqueue_recoveries(changed)
    return len(changed)


def reopen(groups: Groups, actor: Actor, reason: str = "", *, scope: str = "") -> int:
    """Take back that these groups are resolved, and return how many were. Nobody is told, and it
    does not count as a reopening."""
    operation = Operation(actor, "reopen group", scope or "selected failure groups", reason)
    changes = {"status": GroupStatus.OPEN}
    with transaction.atomic(using=conf.DATABASE):
        return len(_change(groups, Q(status=GroupStatus.RESOLVED), changes, operation))


def mute(
    groups: Groups,
    actor: Actor,
    until: dt.datetime | None = None,
    reason: str = "",
    *,
    scope: str = "",
) -> int:
    """Tell nobody of these groups until a moment, or until they are unmuted; return how many
    changed. Their failures are still counted; the first one after the moment opens the group anew.

    Raises InvalidOption if `until` is naive or has passed.
    """
    if until is not None and timezone.is_naive(until):
        raise InvalidOption("until", until, "must have a time zone")
    changes = {"status": GroupStatus.MUTED, "muted_until": until}
    words = f", muted until {until.isoformat(timespec='seconds')}" if until else ""
    target = f"{scope or 'selected failure groups'}{words}"
    alike = Q(muted_until__isnull=True) if until is None else Q(muted_until=until)
    with transaction.atomic(using=conf.DATABASE):
        if until is not None and until <= ledger().now():
            raise InvalidOption("until", until, "must be in the future")
        operation = Operation(actor, "mute group", target, reason)
        return len(_change(groups, ~(Q(status=GroupStatus.MUTED) & alike), changes, operation))


def unmute(groups: Groups, actor: Actor, reason: str = "", *, scope: str = "") -> int:
    """Open these groups if they are muted, and return how many were."""
    operation = Operation(actor, "unmute group", scope or "selected failure groups", reason)
    changes = {"status": GroupStatus.OPEN, "muted_until": None}
    with transaction.atomic(using=conf.DATABASE):
        return len(_change(groups, Q(status=GroupStatus.MUTED), changes, operation))


def write_note(fingerprint: str, actor: Actor, note: str, reason: str = "") -> bool:
    """Put this note in the place of the group's; return whether it differs.

    Raises UnknownFailureGroup.
    """
    with transaction.atomic(using=conf.DATABASE):
        rows = FailureGroup.objects.using(conf.DATABASE).filter(pk=fingerprint)
        group = rows.select_for_update().first()
        if group is None:
            raise UnknownFailureGroup(fingerprint)
        if group.note == note:
            return False
        rows.update(note=note)
        before, after = {"note": group.note}, {"note": note}
        audit.record(actor, "note group", f"failure group {group}", 1, before, after, reason)
    return True


def retry(
    groups: Groups,
    actor: Actor,
    reason: str = "",
    *,
    scope: str = "",
    until: dt.datetime | None = None,
) -> RedriveReport:
    """Retry the failed jobs of these groups that were not retried yet, as `redrive.retry` does;
    with `until`, those that had failed by then."""
    rows = failed_jobs(groups, until).unretried()
    return redrive.retry(rows, actor, reason, scope=scope or "failed jobs of failure groups")


def forget(
    groups: Groups,
    actor: Actor,
    reason: str = "",
    *,
    scope: str = "",
    until: dt.datetime | None = None,
) -> int:
    """Forget the failed jobs of these groups, as `flushing.forget` does, and return how many; with
    `until`, those that had failed by then. The groups stay, with their count, until retention."""
    rows = failed_jobs(groups, until)
    return flushing.forget(rows, actor, reason, scope=scope or "failed jobs of failure groups")


def failed_jobs(groups: Groups, until: dt.datetime | None = None) -> FailedJobQuerySet:
    """The failed jobs of these groups; with `until`, those that had failed by then."""
    rows: FailedJobQuerySet = FailedJob.objects.using(conf.DATABASE).filter(
        fingerprint__in=_fingerprints(groups)
    )
    return rows if until is None else rows.filter(failed_at__lte=until)


def _fingerprints(groups: Groups) -> list[str]:
    if isinstance(groups, FailureGroupQuerySet):
        return list(groups.order_by().values_list("pk", flat=True))
    return list(groups)


def _change(
    groups: Groups, eligible: Q, changes: dict[str, Any], operation: Operation
) -> list[str]:
    """Change those of the groups that are eligible; return their fingerprints.

    Groups are few, so one transaction has them all; they are locked in the order in which the
    ledger counts into them.
    """
    rows = FailureGroup.objects.using(conf.DATABASE).filter(pk__in=_fingerprints(groups))
    found = rows.filter(eligible).order_by("pk").select_for_update()
    changed = list(found.values_list("pk", flat=True))
    FailureGroup.objects.using(conf.DATABASE).filter(pk__in=changed).update(**changes)
    operation.add(changed)
    return changed
