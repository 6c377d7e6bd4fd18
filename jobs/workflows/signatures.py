"""A call that is not enqueued yet: what chains, batches and workflows are made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID

from jobs import arguments, dispatch
from jobs.definitions import JobDefinition
from jobs.dispatch import NewJob
from jobs.exceptions import DuplicateJob, InvalidWorkflow
from jobs.ledger.flow_rows import Callback

NO_JOB = str(UUID(int=0))
"""Stands for the id of the failed job while a call of `catch` is checked."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A definition, with its options, and the arguments of one call. Made by `definition.s()`."""

    definition: JobDefinition
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "args", tuple(self.args))
        object.__setattr__(self, "kwargs", MappingProxyType(dict(self.kwargs)))

    @property
    def label(self) -> str:
        return self.definition.label

    def new_job(self, *, chain: UUID, blocked: bool, results: int = 0) -> NewJob:
        """The job of a member of a workflow, checked; `results` values will come before its
        arguments. Raises InvalidArguments and InvalidOption."""
        if results:
            payload = arguments.encode_after(self.definition, results, self.args, self.kwargs)
            job = dispatch.new_job_after(self.definition, payload)
        else:
            job = dispatch.new_job(self.definition, self.args, self.kwargs)
        job.chain, job.blocked = chain, blocked
        return job

    def callback(self, workflow_id: UUID) -> Callback:
        """What a workflow keeps to make a job of this call later, checked now.

        A parameter `workflow_id`, `batch_id` or `failed_job_id` that is not given is filled in.
        Raises InvalidArguments and InvalidOption.
        """
        parameters = self.definition.signature.parameters
        try:
            given = set(self.definition.signature.bind_partial(*self.args, **self.kwargs).arguments)
        except TypeError:
            # What does not fit is told of below.
            given = set(parameters)
        kwargs = dict(self.kwargs)
        for name in ("workflow_id", "batch_id"):
            if name in parameters and name not in given:
                kwargs[name] = str(workflow_id)
        wants_failed_job = "failed_job_id" in parameters and "failed_job_id" not in given
        if wants_failed_job:
            kwargs["failed_job_id"] = NO_JOB
        job = dispatch.new_job(self.definition, self.args, kwargs)
        _refuse_line([job])
        definition = self.definition
        return {
            "definition": job.definition,
            "queue": job.queue,
            "priority": job.priority,
            "arguments": job.arguments,
            "options": job.options,
            "tags": list(job.tags),
            "tenant": job.tenant,
            "deadline": _told(definition.deadline),
            "retry_until": _told(definition.retry_until),
            "due_at": _told(definition.run_after),
            "wants_failed_job": wants_failed_job,
        }


def _told(value: dt.datetime | dt.timedelta | None) -> float | str | None:
    """A time as text; a duration, which counts from when the callback is enqueued, in seconds."""
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return value.isoformat() if value is not None else None


def insert(jobs: list[NewJob]) -> None:
    """Insert members. Raises DuplicateJob where a unique one would have to give way to another
    job: a member has to be a job of its own."""
    _refuse_line(jobs)
    found = dispatch.insert_timed(jobs)
    for job in jobs:
        if job.id in found.instead:
            label = job.unique.label if job.unique is not None else ""
            raise DuplicateJob(job.definition, label, found.instead[job.id])


def _refuse_line(jobs: Iterable[NewJob]) -> None:
    """Two things cannot say when a job may begin. Raises InvalidWorkflow."""
    for job in jobs:
        if job.line is not None:
            raise InvalidWorkflow(
                f"{job.definition}: runs in sequence, so a workflow cannot say when it begins"
            )
