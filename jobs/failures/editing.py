"""Running a job again with other arguments: a new job that is linked to the old one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from jobs import audit, dispatch, registry
from jobs.arguments import Payload
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.definitions import JobDefinition
from jobs.exceptions import DuplicateJob, InvalidOption, JobsError, NotAllowedInState
from jobs.failures.redrive import options_of_retry
from jobs.identifiers import uuid7
from jobs.models import FINISHED_STATES, FailedJob, Job
from jobs.parameters import positional_name
from jobs.privacy.masking import masked
from jobs.workflows import retaking


class AlreadyRetried(JobsError):
    """The failed job was retried already, is held by another operator, or is gone."""


class AlreadySent(JobsError):
    """A job of this id is there: the same order was sent twice."""

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        super().__init__(f"This was sent before: job {job_id} was made then.")


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs between the old job and the new one. `MISSING` stands for a value
    that is not given at all."""

    name: str
    before: Any
    after: Any


class _Missing:
    def __repr__(self) -> str:
        return "(not given)"


MISSING = _Missing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What the new job is to have; None keeps what the old one had."""

    arguments: Payload
    queue: str | None = None
    priority: int | None = None


def difference(old: FailedJob | Job, edit: Edit) -> list[Change]:
    """What would differ, by the names of parameters; empty if nothing does. Sensitive values are
    masked, so of them it tells only that they differ."""
    definition = registry.find(old.definition)
    before, after = _named(definition, old.arguments), _named(definition, edit.arguments)
    shown_before = _named(definition, masked(definition, old.arguments))
    shown_after = _named(definition, masked(definition, edit.arguments))
    changes = [
        Change(name, shown_before.get(name, MISSING), shown_after.get(name, MISSING))
        for name in dict.fromkeys((*before, *after))
        if not _same(before.get(name, MISSING), after.get(name, MISSING))
    ]
    for name in ("queue", "priority"):
        wanted, had = getattr(edit, name), getattr(old, name)
        if wanted is not None and wanted != had:
            changes.append(Change(name, had, wanted))
    return changes


def check(old: FailedJob | Job, edit: Edit) -> dispatch.NewJob:
    """The job that the edit would make. Raises UnknownDefinition, InvalidArguments and
    InvalidOption, and changes nothing."""
    definition = registry.get(old.definition)
    if definition.internal:
        raise InvalidOption("definition", definition.path, "is internal: it cannot be edited")
    if edit.queue == "":
        raise InvalidOption("queue", edit.queue, "must be text of 1 to 64 characters")
    options = options_of_retry(old) if isinstance(old, FailedJob) else old.options
    return dispatch.new_job_from(
        old.definition,
        edit.arguments,
        queue=old.queue if edit.queue is None else edit.queue,
        priority=old.priority if edit.priority is None else edit.priority,
        options=options,
        # Tags that come from arguments follow the new ones.
        tags=None if callable(definition.tags) else _tags_of(old),
        tenant=None if callable(definition.tenant) else old.tenant,
        retry_of=old.job_id if isinstance(old, FailedJob) else old.pk,
    )


def retry_edited(
    failed_id: UUID, edit: Edit, actor: Actor, reason: str = "", *, new_id: UUID | None = None
) -> UUID:
    """Retry a failed job with other arguments, queue or priority; return the id of the new job.

    The new job has attempts of its own, and is linked to the old one as any retry is. Of the failed
    job only `retried_at` and `retried_as` change. `new_id` makes the order safe to send twice.
    Raises AlreadyRetried, AlreadySent, UnknownDefinition, InvalidArguments and InvalidOption.
    Audited, with what was and what is.
    """
    with transaction.atomic(using=conf.DATABASE):
        rows = FailedJob.objects.using(conf.DATABASE).filter(pk=failed_id).unretried()
        failed = rows.select_for_update(skip_locked=True).first()
        if failed is None:
            _refuse_repetition(new_id)
            raise AlreadyRetried(
                f"Failed job {failed_id} was retried already, is being retried now, or is gone."
            )
        made = _made(failed, edit, new_id)
        made.chain = retaking.places_of([failed.job_id]).get(failed.job_id)
        _insert(made)
        if made.chain is not None:
            retaking.retake([made])
        if not rows.update(retried_at=Now(), retried_as=made.id):
            raise AlreadyRetried(f"Failed job {failed_id} was retried meanwhile.")
        _record(actor, "edit and retry", failed, edit, made, reason)
    return made.id


def clone(
    job: Job, edit: Edit, actor: Actor, reason: str = "", *, new_id: UUID | None = None
) -> UUID:
    """Run a finished job once more with other arguments, queue or priority, as a new job that is
    linked to it; return its id.

    Raises NotAllowedInState for a job that has not ended, AlreadySent, UnknownDefinition,
    InvalidArguments and InvalidOption. Audited.
    """
    if job.state not in FINISHED_STATES:
        raise NotAllowedInState("cloned", job.pk, job.state)
    with transaction.atomic(using=conf.DATABASE):
        made = _made(job, edit, new_id)
        _insert(made)
        _record(actor, "clone", job, edit, made, reason)
    return made.id


def _made(old: FailedJob | Job, edit: Edit, new_id: UUID | None) -> dispatch.NewJob:
    return replace(check(old, edit), id=new_id or uuid7())


def _insert(made: dispatch.NewJob) -> None:
    try:
        with transaction.atomic(using=conf.DATABASE):
            (job_id,) = dispatch.insert([made])
            if job_id != made.id and made.unique is not None:
                raise DuplicateJob(made.definition, made.unique.shown, job_id)
    except IntegrityError:
        _refuse_repetition(made.id)
        raise


def _refuse_repetition(job_id: UUID | None) -> None:
    if job_id is not None and Job.objects.using(conf.DATABASE).filter(pk=job_id).exists():
        raise AlreadySent(job_id)


def _record(
    actor: Actor,
    action: str,
    old: FailedJob | Job,
    edit: Edit,
    made: dispatch.NewJob,
    reason: str,
) -> None:
    changes = difference(old, edit)
    audit.record(
        actor,
        action,
        f"{old._meta.verbose_name} {old}",
        before={change.name: _told(change.before) for change in changes},
        after={"job": str(made.id)} | {change.name: _told(change.after) for change in changes},
        reason=reason,
    )


def _told(value: Any) -> Any:
    return None if value is MISSING else value


def _named(definition: JobDefinition | None, payload: Mapping[str, Any]) -> dict[str, Any]:
    args = enumerate(payload.get("args", ()))
    named = {
        positional_name(definition, index) if definition is not None else f"args[{index}]": value
        for index, value in args
    }
    return named | dict(payload.get("kwargs", {}))


def _same(before: Any, after: Any) -> bool:
    if before is MISSING or after is MISSING:
        return before is after
    # As text: 1 == True == 1.0, and a job may tell them apart.
    return json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


def _tags_of(old: FailedJob | Job) -> list[str]:
    if isinstance(old, FailedJob):
        return list(old.tags)
    return list(old.tags.values_list("name", flat=True))
