"""Brings in a new key: encrypts anew what an earlier key has encrypted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Cast

from jobs import registry
from jobs.audit import Actor, Operation
from jobs.conf import settings as conf
from jobs.exceptions import EncryptionUnavailable, Undecryptable
from jobs.keyset import pages
from jobs.models import FailedJob, Job, JobSchedule
from jobs.privacy import encryption
from jobs.privacy.encryption import ENCRYPTED, is_sealed
from jobs.privacy.sealing import sealed

UNREADABLE_SHOWN = 100


@dataclass(slots=True)
class RotationReport:
    """What a rotation did: rows whose arguments were encrypted anew, and rows with an argument that
    no key decrypts, which stay as they are; of those the first 100 by name."""

    looked_at: int = 0
    jobs: int = 0
    failed_jobs: int = 0
    schedules: int = 0
    unreadable: int = 0
    unreadable_rows: list[str] = field(default_factory=list)


Progress = Callable[[RotationReport], object]


def rotate(
    actor: Actor,
    reason: str = "",
    *,
    finished: bool = False,
    dry_run: bool = False,
    on_batch: Progress = lambda report: None,
) -> RotationReport:
    """Encrypt with the first key the sensitive arguments of jobs that have not ended, of failed
    jobs and of schedules; with `finished`, of all other jobs too.

    Those that were stored before their parameter was called sensitive are encrypted as well. Works
    in batches of 500, each with its own transaction, while jobs are enqueued and run; what is
    encrypted with the first key stays as it is, so that it can be stopped and started again. One
    audit entry tells of all. Raises EncryptionUnavailable.
    """
    if why := encryption.unavailable():
        raise EncryptionUnavailable(why)
    work = _Rotation(Operation(actor, "rotate_keys", "sensitive arguments", reason), dry_run)
    jobs = Job.objects.using(conf.DATABASE).all()
    parts: list[tuple[str, QuerySet[Any]]] = [
        ("jobs", jobs if finished else jobs.unfinished()),
        ("failed_jobs", FailedJob.objects.using(conf.DATABASE).all()),
        ("schedules", JobSchedule.objects.using(conf.DATABASE).all()),
    ]
    for kind, rows in parts:
        for page in pages(_concerned(rows)):
            work.rotate(kind, rows.model, page)
            on_batch(work.report)
    return work.report


def _concerned(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Rows with something encrypted in their arguments, or something that should be."""
    names = [definition.path for definition in registry.all() if definition.sensitive]
    text = Cast("arguments", models.TextField())
    found = Q(_text__contains=f'"{ENCRYPTED}"') | Q(definition__in=names)
    concerned: QuerySet[Any] = rows.annotate(_text=text).filter(found)
    return concerned


class _Rotation:
    """One operation in progress."""

    def __init__(self, operation: Operation, dry_run: bool) -> None:
        self.report = RotationReport()
        self._operation = operation
        self._dry_run = dry_run

    def rotate(self, kind: str, model: Any, page: Sequence[Any]) -> None:
        left = set(page) - self._rotate_rows(kind, model, page)
        for pk in sorted(left):
            # A worker, or who edits the schedule, had it. Waiting for one row at a time, while no
            # other is held, cannot end in a deadlock.
            self._rotate_rows(kind, model, [pk], wait=True)

    def _rotate_rows(
        self, kind: str, model: Any, page: Sequence[Any], *, wait: bool = False
    ) -> set[Any]:
        with transaction.atomic(using=conf.DATABASE):
            rows = model.objects.using(conf.DATABASE).filter(pk__in=page).order_by("pk")
            if not self._dry_run:
                rows = rows.select_for_update(skip_locked=not wait)
            found = list(rows)
            changed = [row for row in found if self._rotate_row(row)]
            if changed and not self._dry_run:
                model.objects.using(conf.DATABASE).bulk_update(changed, ["arguments"])
                self._operation.add([row.pk for row in changed])
        self.report.looked_at += len(found)
        setattr(self.report, kind, getattr(self.report, kind) + len(changed))
        return {row.pk for row in found}

    def _rotate_row(self, row: Any) -> bool:
        """Set the row's arguments anew; False if they stay as they are."""
        trouble: list[Undecryptable] = []
        new = _resealed(row.arguments, trouble)
        definition = registry.find(row.definition)
        if definition is not None and definition.sensitive and isinstance(new, dict):
            new = sealed(definition, new)
        if trouble:
            self.report.unreadable += 1
            if len(self.report.unreadable_rows) < UNREADABLE_SHOWN:
                self.report.unreadable_rows.append(f"{row._meta.verbose_name} {row.pk}")
        if new == row.arguments:
            return False
        row.arguments = new
        return True


def _resealed(value: Any, trouble: list[Undecryptable]) -> Any:
    if isinstance(value, list):
        return [_resealed(item, trouble) for item in value]
    if isinstance(value, Mapping):
        if is_sealed(value):
            try:
                return dict(encryption.resealed(value))
            except Undecryptable as error:
                trouble.append(error)
                return value
        return {name: _resealed(item, trouble) for name, item in value.items()}
    return value
