"""From a call to rows of the ledger, one or many."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from jobs import arguments, events, registry
from jobs.compat import is_importable
from jobs.conf import settings as conf
from jobs.exceptions import InvalidArguments, InvalidOption, MissingObject
from jobs.execution.middleware.contract import Keyed, at_enqueue, in_line
from jobs.execution.policy import overrides_of
from jobs.identifiers import uuid7, uuid7s
from jobs.ledger import Ledger, ledger
from jobs.ledger.arrivals import can_run_at_once
from jobs.options import checked_tags, checked_tenant
from jobs.privacy.coverage import coverage_of
from jobs.privacy.scrubbing import Scrubber
from jobs.sequences import lines
from jobs.uniqueness import locks
from jobs.uniqueness.calls import Uniqueness

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

Call = Mapping[str, Any] | tuple[Any, ...] | Any
"""Keyword arguments, positional ones, or a single value."""

_CHECKED: dict[str, Callable[[Any], Any]] = {"tags": checked_tags, "tenant": checked_tenant}
_SINGLE = (int, str)
"""The commonest types of a call that is a single value."""


@dataclass(slots=True, kw_only=True)
class NewJob:
    """A job to insert. `delay` counts from the database's now; `due_at` is a time."""

    definition: str
    queue: str
    arguments: dict[str, Any]
    priority: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    tenant: str = ""
    rank: int | None = None
    """Its place in the order of the queue, where the ledger has given it one."""
    due_at: dt.datetime | None = None
    delay: dt.timedelta | None = None
    deadline: dt.datetime | None = None
    retry_until: dt.datetime | None = None
    retry_of: UUID | None = None
    schedule_id: int | None = None
    slot_at: dt.datetime | None = None
    chain: UUID | None = None
    follows_id: UUID | None = None
    blocked: bool = False
    """Whether a workflow says when it may run."""
    unique: Uniqueness | None = None
    line: Uniqueness | None = None
    """Of a job in sequence: those with the same key run one after the other."""
    id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class Inserted:
    """What an insertion did."""

    enqueued: dict[UUID, dt.datetime]
    """When each job was enqueued."""
    instead: dict[UUID, UUID] = field(default_factory=dict)
    """The jobs to which others gave way, by the ids that these would have had."""


Insert = Callable[[Sequence[NewJob]], Inserted]
"""Puts jobs into the ledger and returns when each was enqueued; see `insert_timed`."""

diversion: Callable[[Sequence[NewJob], Insert], Inserted] | None = None
"""What takes new jobs, checked, in place of the ledger, and is told how to insert those that it
leaves to it: how `jobs.testing` fakes jobs. None outside of tests."""


def new_job(definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NewJob:
    """A job of this definition, checked.

    Raises InvalidArguments if the arguments do not fit, InvalidOption if no worker could import the
    definition or no queue of that name can be, and EncryptionUnavailable.
    """
    payload = arguments.encode(definition, args, kwargs)
    return _assemble(definition, payload, args, kwargs)


def new_job_after(definition: JobDefinition, payload: arguments.Payload) -> NewJob:
    """A job whose first arguments are not known yet, from the others as `encode_after` gives them.

    What is made of all arguments, tags and the tenant by a callable and the keys of unique jobs, it
    cannot have. Raises InvalidOption.
    """
    if _reads_arguments(definition):
        raise InvalidOption(
            "pass_results",
            definition.path,
            "its tags, its tenant or its uniqueness need all arguments when it is enqueued",
        )
    return _assemble(definition, payload, (), {})


def new_job_from(
    name: str,
    payload: arguments.Payload,
    *,
    queue: str | None = None,
    priority: int | None = None,
    delay: dt.timedelta | None = None,
    due_at: dt.datetime | None = None,
    retry_of: UUID | None = None,
    schedule_id: int | None = None,
    slot_at: dt.datetime | None = None,
    options: Mapping[str, Any] | None = None,
    tags: Iterable[str] | None = None,
    tenant: str | None = None,
) -> NewJob:
    """A job of a registered definition from arguments that are JSON already, checked: what the
    admin, schedules and retries dispatch.

    Raises UnknownDefinition, InvalidArguments, InvalidOption and EncryptionUnavailable.
    """
    definition = registry.get(name)
    checked = arguments.check_payload(definition, payload)
    args, kwargs = checked["args"], checked["kwargs"]
    if _reads_arguments(definition, tags, tenant):
        # As the caller of `enqueue` would have: with the instances, not with their stored keys.
        args, kwargs = _instances(definition, checked)
    job = _assemble(definition, checked, args, kwargs, tags, tenant)
    if queue:
        job.queue = _checked_queue(queue)
    if priority is not None:
        job.priority = _checked_priority(priority)
    if options is not None:
        job.options = dict(options)
    if delay is not None or due_at is not None:
        job.delay, job.due_at = delay, due_at
    job.retry_of, job.schedule_id, job.slot_at = retry_of, schedule_id, slot_at
    return job


def enqueue_many(definition: JobDefinition, calls: Iterable[Call]) -> list[UUID]:
    """Enqueue one job for each call; see `JobDefinition.enqueue_many`."""
    shared = job_like_all(definition)
    if shared is None:
        return insert([new_job(definition, *_split(call)) for call in calls])
    encode = arguments.encoder(definition)
    encoded = [encode(*_split(call)) for call in calls]
    return insert_alike(shared, encoded)


def job_like_all(definition: JobDefinition) -> NewJob | None:
    """What all jobs of a definition have in common, for `insert_alike`; None where they differ in
    more than their arguments. Raises InvalidOption."""
    if _reads_arguments(definition):
        return None
    return _assemble(definition, {}, (), {})


def _reads_arguments(
    definition: JobDefinition, tags: Iterable[str] | None = None, tenant: str | None = None
) -> bool:
    """Whether more of a job than its arguments depends on them."""
    from_arguments = (tags is None and callable(definition.tags)) or (
        tenant is None and callable(definition.tenant)
    )
    return from_arguments or bool(at_enqueue(definition) or in_line(definition))


def insert(jobs: Sequence[NewJob]) -> list[UUID]:
    """Insert jobs in the caller's transaction, all or none, and return their ids.

    In the place of a unique job that gave way to another the other's id is returned. Once the
    transaction has committed, workers are woken and `job_queued` is sent; on the `sync` transport
    the jobs run then, in this process. Raises DuplicateJob where a unique job wants that.
    """
    instead = insert_timed(jobs).instead
    return [instead.get(job.id, job.id) for job in jobs]


def insert_timed(jobs: Sequence[NewJob]) -> Inserted:
    """See `insert`; returns when each job was enqueued, by the database's clock, and which gave
    way to another. Raises DuplicateJob where a unique job wants that."""
    if not jobs:
        return Inserted({})
    return _insert(jobs) if diversion is None else diversion(jobs, _insert)


def _insert(jobs: Sequence[NewJob]) -> Inserted:
    book = ledger()
    if not any(job.unique or job.line for job in jobs):
        if len(jobs) == 1 and (moment := _handed_over(book, jobs[0])) is not None:
            _emit_queued([(jobs[0], [jobs[0].id])])
            return Inserted({jobs[0].id: moment})
        enqueued = book.insert(jobs)
        _announce(book, [(job, [job.id]) for job in jobs])
        return Inserted(enqueued)
    with transaction.atomic(using=conf.DATABASE):
        instead = locks.settle([job for job in jobs if job.unique is not None])
        left = [job for job in jobs if job.id not in instead]
        followed = lines.line_up([job for job in left if job.line is not None])
        enqueued = book.insert(left) if left else {}
        if followed:
            transaction.on_commit(partial(lines.release_ended, followed), using=conf.DATABASE)
        _announce(book, [(job, [job.id]) for job in left])
    return Inserted(enqueued, instead)


def insert_alike(job: NewJob, calls: Sequence[str]) -> list[UUID]:
    """See `insert`: of jobs like this one but for their ids and their arguments, which are JSON."""
    if not calls:
        return []
    ids = uuid7s(len(calls))
    if diversion is not None:
        given = zip(ids, calls, strict=True)
        return insert([replace(job, id=key, arguments=json.loads(text)) for key, text in given])
    book = ledger()
    book.insert_alike(job, dict(zip(ids, calls, strict=True)))
    _announce(book, [(job, ids)])
    return ids


def _handed_over(book: Ledger, job: NewJob) -> dt.datetime | None:
    """When this job was enqueued, if it is one that a waiting worker could be given at once."""
    from jobs import transports

    if job.tags or not can_run_at_once(job):
        return None
    return transports.current().hand_over(book, job)


def _announce(book: Ledger, inserted: Sequence[tuple[NewJob, Sequence[UUID]]]) -> None:
    """Tell of new jobs, by id, once the caller's transaction has committed."""
    book.connection.on_commit(lambda: _tell(inserted))


def _tell(inserted: Sequence[tuple[NewJob, Sequence[UUID]]]) -> None:
    from jobs import transports

    _emit_queued(inserted)
    now = timezone.now()
    ready_in = {
        job.queue for job, _ in inserted if not job.delay and (not job.due_at or job.due_at <= now)
    }
    transports.current().dispatched([job_id for _, ids in inserted for job_id in ids], ready_in)


def _emit_queued(inserted: Sequence[tuple[NewJob, Sequence[UUID]]]) -> None:
    if events.job_queued.receivers:
        for job, ids in inserted:
            for job_id in ids:
                events.emit(
                    events.job_queued,
                    job.definition,
                    job_id=job_id,
                    queue=job.queue,
                    attempt=0,
                    due_at=job.due_at,
                )


def _assemble(
    definition: JobDefinition,
    payload: arguments.Payload,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    tags: Iterable[str] | None = None,
    tenant: str | None = None,
) -> NewJob:
    if not is_importable(definition.func):
        raise InvalidOption(
            "definition", definition.path, "a worker cannot import it; define it in a module"
        )
    now = timezone.now()
    unique, line = at_enqueue(definition), in_line(definition)
    found = _key_of(definition, unique, args, kwargs) if unique is not None else None
    return NewJob(
        definition=definition.path,
        queue=_checked_queue(definition.queue_name),
        priority=definition.priority,
        arguments=payload,
        options=overrides_of(definition),
        tags=_option(definition, "tags", args, kwargs) if tags is None else tuple(tags),
        tenant=_option(definition, "tenant", args, kwargs) if tenant is None else tenant,
        due_at=definition.run_after,
        deadline=_moment(definition.deadline, now),
        retry_until=_moment(definition.retry_until, now),
        unique=found,
        line=_key_of(definition, line, args, kwargs) if line is not None else None,
        delay=found.wait if found is not None and definition.run_after is None else None,
    )


def _key_of(
    definition: JobDefinition,
    unique: Keyed,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Uniqueness:
    scrub = (
        Scrubber(*coverage_of(definition).values(args, kwargs)) if definition.sensitive else None
    )
    try:
        found = unique.of_call(definition, args, kwargs)
    except Exception as error:
        told = repr(error) if scrub is None else scrub.text(repr(error))
        raise InvalidArguments(
            definition.path, "middleware", f"the key of {type(unique).__name__} raised {told}"
        ) from (error if scrub is None else None)
    return found if scrub is None else replace(found, secret=scrub.holds(found.label))


def _option(
    definition: JobDefinition, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """The tags or the tenant of a call; by a callable of its arguments where the definition has
    one, whose errors and values must not tell what is sensitive."""
    given = getattr(definition, name)
    if not callable(given):
        return given
    scrub = (
        Scrubber(*coverage_of(definition).values(args, kwargs)) if definition.sensitive else None
    )
    try:
        found = _CHECKED[name](given(*args, **kwargs))
    except Exception as error:
        told = repr(error) if scrub is None else scrub.text(repr(error))
        raise InvalidArguments(
            definition.path, name, f"the callable for the {name} raised {told}"
        ) from (error if scrub is None else None)
    if scrub is not None and any(map(scrub.holds, [found] if isinstance(found, str) else found)):
        raise InvalidArguments(
            definition.path, name, "it has the value of a sensitive argument in it"
        )
    return found


def _instances(
    definition: JobDefinition, payload: arguments.Payload
) -> tuple[list[Any], dict[str, Any]]:
    try:
        return arguments.decode(payload)
    except MissingObject as error:
        raise InvalidArguments(definition.path, "arguments", str(error)) from None


def _moment(value: dt.datetime | dt.timedelta | None, now: dt.datetime) -> dt.datetime | None:
    return now + value if isinstance(value, dt.timedelta) else value


def _checked_queue(name: str) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= 64 or "\x00" in name:
        raise InvalidOption("queue", name, "must be text of 1 to 64 characters")
    return name


def _checked_priority(value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -100 <= value <= 100:
        raise InvalidOption("priority", value, "must be a whole number between -100 and 100")
    return value


def _split(call: Call) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if isinstance(call, tuple):
        return call, {}
    # To ask whether something is a Mapping takes longer than to enqueue it.
    if type(call) not in _SINGLE and isinstance(call, Mapping):
        return (), call
    return (call,), {}
