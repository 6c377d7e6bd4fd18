"""From a call to rows of the ledger, one or many."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone

from jobs import arguments, events, registry
from jobs.compat import is_importable
from jobs.exceptions import InvalidArguments, InvalidOption, MissingObject
from jobs.execution.policy import overrides_of
from jobs.identifiers import uuid7, uuid7s
from jobs.ledger import Ledger, ledger

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

Call = Mapping[str, Any] | tuple[Any, ...] | Any
"""Keyword arguments, positional ones, or a single value."""

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
    due_at: dt.datetime | None = None
    delay: dt.timedelta | None = None
    deadline: dt.datetime | None = None
    retry_until: dt.datetime | None = None
    retry_of: UUID | None = None
    schedule_id: int | None = None
    slot_at: dt.datetime | None = None
    chain: UUID | None = None
    follows_id: UUID | None = None
    id: UUID = field(default_factory=uuid7)


def new_job(definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NewJob:
    """A job of this definition, checked.

    Raises InvalidArguments if the arguments do not fit, and InvalidOption if no worker could
    import the definition or no queue of that name can be.
    """
    payload = arguments.encode(definition, args, kwargs)
    return _assemble(definition, payload, args, kwargs)


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
) -> NewJob:
    """A job of a registered definition from arguments that are JSON already, checked: what the
    admin, schedules and retries dispatch.

    Raises UnknownDefinition, InvalidArguments and InvalidOption.
    """
    definition = registry.get(name)
    checked = arguments.check_payload(definition, payload)
    if tags is None and callable(definition.tags):
        # As the caller of `enqueue` would have: with the instances, not with their stored keys.
        tags = _tags_of(definition, *_instances(definition, checked))
    job = _assemble(definition, checked, checked["args"], checked["kwargs"], tags)
    if queue:
        job.queue = _checked_queue(queue)
    if priority is not None:
        job.priority = _checked_priority(priority)
    if options is not None:
        job.options = dict(options)
    job.delay, job.due_at = delay, due_at
    job.retry_of, job.schedule_id, job.slot_at = retry_of, schedule_id, slot_at
    return job


def enqueue_many(definition: JobDefinition, calls: Iterable[Call]) -> list[UUID]:
    """Enqueue one job for each call; see `JobDefinition.enqueue_many`."""
    if callable(definition.tags):
        return insert([new_job(definition, *_split(call)) for call in calls])
    encode = arguments.encoder(definition)
    encoded = [encode(*_split(call)) for call in calls]
    if not encoded:
        return []
    return _insert_alike(_assemble(definition, {}, (), {}), encoded)


def insert(jobs: Sequence[NewJob]) -> list[UUID]:
    """Insert jobs in the caller's transaction, all or none, and return their ids.

    Once the transaction has committed, workers are woken and `job_queued` is sent; on the `sync`
    transport the jobs run then, in this process.
    """
    insert_timed(jobs)
    return [job.id for job in jobs]


def insert_timed(jobs: Sequence[NewJob]) -> dict[UUID, dt.datetime]:
    """See `insert`; returns when each job was enqueued, by the database's clock."""
    if not jobs:
        return {}
    book = ledger()
    enqueued = book.insert(jobs)
    _announce(book, [(job, [job.id]) for job in jobs])
    return enqueued


def _insert_alike(job: NewJob, calls: Sequence[str]) -> list[UUID]:
    """See `insert`: of jobs like this one but for their ids and their arguments, which are JSON."""
    book, ids = ledger(), uuid7s(len(calls))
    book.insert_alike(job, dict(zip(ids, calls, strict=True)))
    _announce(book, [(job, ids)])
    return ids


def _announce(book: Ledger, inserted: Sequence[tuple[NewJob, Sequence[UUID]]]) -> None:
    """Tell of new jobs, by id, once the caller's transaction has committed."""
    book.connection.on_commit(lambda: _tell(inserted))


def _tell(inserted: Sequence[tuple[NewJob, Sequence[UUID]]]) -> None:
    from jobs import transports

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
    now = timezone.now()
    ready_in = {
        job.queue for job, _ in inserted if not job.delay and (not job.due_at or job.due_at <= now)
    }
    transports.current().dispatched([job_id for _, ids in inserted for job_id in ids], ready_in)


def _assemble(
    definition: JobDefinition,
    payload: arguments.Payload,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    tags: Iterable[str] | None = None,
) -> NewJob:
    if not is_importable(definition.func):
        raise InvalidOption(
            "definition", definition.path, "a worker cannot import it; define it in a module"
        )
    now = timezone.now()
    return NewJob(
        definition=definition.path,
        queue=_checked_queue(definition.queue_name),
        priority=definition.priority,
        arguments=payload,
        options=overrides_of(definition),
        tags=_tags_of(definition, args, kwargs) if tags is None else tuple(tags),
        due_at=definition.run_after,
        deadline=_moment(definition.deadline, now),
        retry_until=_moment(definition.retry_until, now),
    )


def _tags_of(
    definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[str, ...]:
    from jobs.options import checked_tags

    if not callable(definition.tags):
        return tuple(definition.tags)
    try:
        return checked_tags(definition.tags(*args, **kwargs))
    except Exception as error:
        raise InvalidArguments(
            definition.path, "tags", f"the callable for the tags raised {error!r}"
        ) from error


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
