"""PushedJob: a job that was enqueued while a test faked jobs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone

from jobs.arguments import Payload, decode, encode_result
from jobs.parameters import MODEL_KEY
from jobs.testing.naming import signature_for

if TYPE_CHECKING:
    from jobs.dispatch import NewJob

OLD_CALL = "jobs.django_q2.task.run_task"
"""The definition whose jobs call what `async_task` was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedJob:
    """One enqueued call: checked as always, but not in the ledger."""

    definition: str
    """The dotted path of the definition; of a call of `async_task`, of its function."""
    payload: Payload
    """`{"args": […], "kwargs": {…}}`, as the ledger would have stored them."""
    queue: str
    priority: int
    tags: tuple[str, ...]
    tenant: str
    run_after: dt.datetime | None
    """When the job could run; None is at once."""
    deadline: dt.datetime | None
    options: dict[str, Any]
    """The policy where `.using()` changed it."""
    schedule_id: int | None
    id: UUID
    pushed_at: dt.datetime = field(default_factory=timezone.now)

    @classmethod
    def of(cls, job: NewJob) -> PushedJob:
        now = timezone.now()
        name, payload = job.definition, job.arguments
        if name == OLD_CALL:
            name, payload = _old_call(payload)
        return cls(
            definition=name,
            payload=payload,
            queue=job.queue,
            priority=job.priority,
            tags=job.tags,
            tenant=job.tenant,
            run_after=job.due_at or (now + job.delay if job.delay else None),
            deadline=job.deadline,
            options=job.options,
            schedule_id=job.schedule_id,
            id=job.id,
            pushed_at=now,
        )

    @property
    def arguments(self) -> dict[str, Any]:
        """By the name of its parameter each value as the job will get it: defaults are filled in,
        and model instances fetched.

        Raises MissingObject if one of these is gone.
        """
        args, kwargs = decode(self.payload)
        return bound(self.definition, {"args": args, "kwargs": kwargs})

    def __str__(self) -> str:
        """The call in words, with what is not as it usually is."""
        given = [_shown(value) for value in self.payload["args"]]
        given += [f"{name}={_shown(value)}" for name, value in self.payload["kwargs"].items()]
        words = [f"{self.definition}({', '.join(given)}) on queue {self.queue!r}"]
        if self.priority:
            words.append(f"priority {self.priority}")
        if self.run_after:
            words.append(f"run after {self.run_after.isoformat(' ', 'seconds')}")
        if self.tags:
            words.append(f"tags {', '.join(self.tags)}")
        if self.tenant:
            words.append(f"tenant {self.tenant}")
        return ", ".join(words)


def bound(name: str, payload: Payload) -> dict[str, Any]:
    """The values of a call by parameter, defaults filled in; as they were given, by position and
    name, if there is no signature or they do not fit it."""
    signature = signature_for(name)
    args, kwargs = payload["args"], payload["kwargs"]
    try:
        found = signature.bind(*args, **kwargs) if signature is not None else None
    except TypeError:
        found = None
    if found is None:
        return {**{f"args[{index}]": value for index, value in enumerate(args)}, **kwargs}
    found.apply_defaults()
    return dict(found.arguments)


def comparable(name: str, payload: Payload) -> dict[str, Any]:
    """What two calls are compared by: the same whether a value was given by position, by name, or
    by default."""
    return {key: _as_json(value) for key, value in bound(name, payload).items()}


def _as_json(value: Any) -> Any:
    try:
        return encode_result(value)
    except TypeError:
        # A default, or of a signed pickle: it need not be JSON.
        return value


def _old_call(payload: Payload) -> tuple[str, Payload]:
    from jobs.django_q2.calls import OldCall

    call = OldCall.stored(**payload["kwargs"]).unpacked()
    return call.func, {"args": call.args, "kwargs": call.kwargs}


def _shown(value: Any) -> str:
    if isinstance(value, Mapping) and value.keys() == {MODEL_KEY, "pk"}:
        return f"<{value[MODEL_KEY]} {value['pk']}>"
    return repr(value)
