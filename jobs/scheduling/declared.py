"""Declared schedules in the database: created once, compared with the code, and put back."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.signals import post_delete
from django.utils import timezone

from jobs import audit
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import JobsError, Undecryptable
from jobs.ledger import ledger
from jobs.models import DroppedDeclaration, JobSchedule, ScheduleKind
from jobs.models.schedule import JobScheduleQuerySet
from jobs.privacy.masking import masked
from jobs.privacy.sealing import opened

from . import declarations
from .binding import validate
from .declarations import Declaration
from .planning import plan
from .rules import RuleError


@dataclass(slots=True)
class CreateReport:
    """What `create_missing` did. `invalid` says per name why a declaration cannot be created,
    `taken` names those whose name another schedule has, `dropped` those that somebody deleted."""

    created: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    invalid: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a declared schedule that is not as the code has it. Sensitive arguments are
    masked."""

    name: str
    field: str
    declared: Any
    stored: Any


def create_missing(*, dry_run: bool = False) -> CreateReport:
    """Create the declared schedules that are not there, and leave all others as they are.

    One that somebody has deleted stays away. Safe to call from several processes at once, and
    again: each is created by one of them. A declaration that cannot be created does not stop the
    others. With `dry_run` the report tells what would be created.
    """
    report = CreateReport()
    there = set(_schedules().declared().values_list("declared_as", flat=True))
    missing = [item for item in declarations.all() if item.name not in there]
    if not missing:
        return report
    names = [item.name for item in missing]
    dropped = set(_dropped().filter(name__in=names).values_list("name", flat=True))
    taken = set(_schedules().filter(name__in=names, declared_as="").values_list("name", flat=True))
    report.dropped = [name for name in names if name in dropped]
    report.taken = [name for name in names if name in taken]
    now = ledger().now()
    rows = []
    for item in missing:
        if item.name not in dropped | taken:
            try:
                rows.append(_new(item, now))
            except (JobsError, ValidationError, RuleError) as error:
                report.invalid[item.name] = told(error)
    if dry_run:
        report.created = [row.name for row in rows]
    elif rows:
        report.created = _insert(rows)
    return report


def faults() -> dict[str, str]:
    """Why declarations could not be created now, by their names. Asks nothing of the database."""
    now, found = timezone.now(), {}
    for item in declarations.all():
        try:
            _new(item, now)
        except (JobsError, ValidationError, RuleError) as error:
            found[item.name] = told(error)
    return found


def differences() -> list[Difference]:
    """Where declared schedules are not as the code has them, by name and field.

    A declaration that no longer fits its definition shows as a difference of its `arguments`.
    """
    found = []
    for schedule in _schedules().declared().order_by("declared_as"):
        item = declarations.find(schedule.declared_as)
        if item is not None:
            found += _differences(item, schedule)
    return found


def orphans() -> JobScheduleQuerySet:
    """Declared schedules whose declaration is gone from the code. They keep running."""
    known = [item.name for item in declarations.all()]
    return _schedules().declared().exclude(declared_as__in=known)


def dropped() -> list[str]:
    """Declarations that stay away because somebody has deleted their schedule."""
    known = [item.name for item in declarations.all()]
    return list(_dropped().filter(name__in=known).values_list("name", flat=True))


def apply(names: Iterable[str], actor: Actor, reason: str = "") -> list[str]:
    """Make these declared schedules as the code has them, also those that were deleted; return
    the names of those that changed. Each is a transaction of its own, with an audit entry.

    Raises LookupError for a name that is not declared, before anything changes, and
    ValidationError or a JobsError for a declaration that is not valid.
    """
    return [item.name for item in check_names(names) if _apply(item, actor, reason)]


def check_names(names: Iterable[str]) -> list[Declaration]:
    """The declarations of these names. Raises LookupError, with the nearest one, for an unknown
    name."""
    known = {item.name: item for item in declarations.all()}
    found = []
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise LookupError(f"No schedule {name!r} is declared.{hint}")
        found.append(known[name])
    return found


def prune(actor: Actor, reason: str = "") -> list[str]:
    """Delete the schedules whose declaration is gone; return their names. One audit entry.

    Should a declaration come back, so does its schedule.
    """
    with transaction.atomic(using=conf.DATABASE):
        gone = list(orphans().order_by("name").select_for_update())
        if not gone:
            return []
        names = [schedule.name for schedule in gone]
        _schedules().filter(pk__in=[schedule.pk for schedule in gone]).delete()
        _dropped().filter(name__in=[schedule.declared_as for schedule in gone]).delete()
        audit.record(
            actor, "prune schedules", ", ".join(names), len(names), {"names": names}, None, reason
        )
    return names


def told(error: Exception) -> str:
    """What is wrong with a declaration, in one line."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
    return str(error)


def remember_deletion(
    sender: type[JobSchedule], instance: JobSchedule, using: str, **kwargs: Any
) -> None:
    """Keep a declared schedule that is deleted from coming back at the next start."""
    if instance.declared_as:
        DroppedDeclaration.objects.using(using).get_or_create(name=instance.declared_as)


def connect() -> None:
    """Have every deletion of a declared schedule remembered."""
    post_delete.connect(remember_deletion, sender=JobSchedule, dispatch_uid="jobs.declared")


def _new(item: Declaration, now: dt.datetime) -> JobSchedule:
    schedule = JobSchedule(
        name=item.name, declared_as=item.name, created_at=now, **_wanted(item, now)
    )
    validate(schedule, now)
    plan(schedule, now)
    return schedule


def _wanted(item: Declaration, now: dt.datetime) -> dict[str, Any]:
    """The fields as the code has them, except that a time which has passed is not enabled: the
    declaration of a schedule that runs once stays in the code after its run."""
    values = item.values()
    if values["kind"] == ScheduleKind.ONCE and values["run_at"] <= now:
        values["enabled"] = False
    return values


def _insert(rows: list[JobSchedule]) -> list[str]:
    """Insert rows that may have come into being meanwhile; return the names of the new ones."""
    mine = {row.name: row.created_at for row in rows}
    _schedules().bulk_create(rows, ignore_conflicts=True)
    stored = _schedules().filter(declared_as__in=mine).values_list("declared_as", "created_at")
    return sorted(name for name, created_at in stored if mine[name] == created_at)


def _differences(item: Declaration, schedule: JobSchedule) -> list[Difference]:
    try:
        wanted = _wanted(item, timezone.now())
    except JobsError as error:
        shown = masked(schedule.definition, schedule.arguments)
        return [Difference(item.name, "arguments", str(error), shown)]
    stored = {name: getattr(schedule, name) for name in wanted}
    if isinstance(schedule.arguments, dict):
        stored["arguments"] = {"args": [], "kwargs": {}, **schedule.arguments}
    found = [
        Difference(item.name, name, value, stored[name])
        for name, value in wanted.items()
        if name != "arguments" and value != stored[name]
    ]
    if not _same_arguments(wanted["arguments"], stored["arguments"]):
        declared = masked(wanted["definition"], wanted["arguments"])
        shown = masked(schedule.definition, stored["arguments"])
        found.append(Difference(item.name, "arguments", declared, shown))
    return found


def _same_arguments(declared: Any, stored: Any) -> bool:
    """Whether these are the same, also where they are encrypted, which is never twice the same."""
    if declared == stored:
        return True
    try:
        return bool(opened(declared) == opened(stored))
    except Undecryptable:
        return False


def _apply(item: Declaration, actor: Actor, reason: str) -> bool:
    with transaction.atomic(using=conf.DATABASE):
        rows = _schedules().filter(declared_as=item.name).select_for_update()
        schedule = rows.first()
        if schedule is None:
            if _schedules().filter(name=item.name).exists():
                raise ValidationError({"name": f"{item.name!r}: another schedule has this name"})
            _dropped().filter(name=item.name).delete()
            _new(item, timezone.now()).save(using=conf.DATABASE)
            audit.record(actor, "create schedule", item.name, reason=reason)
            return True
        changes = _differences(item, schedule)
        if not changes:
            return False
        for name, value in _wanted(item, timezone.now()).items():
            setattr(schedule, name, value)
        validate(schedule)
        schedule.save(using=conf.DATABASE)
        audit.record(
            actor,
            "apply declaration",
            item.name,
            before={change.field: str(change.stored) for change in changes},
            after={change.field: str(change.declared) for change in changes},
            reason=reason,
        )
    return True


def _schedules() -> JobScheduleQuerySet:
    return JobSchedule.objects.using(conf.DATABASE)


def _dropped() -> Any:
    return DroppedDeclaration.objects.using(conf.DATABASE)
