"""Running finished django-q2 tasks again, with all that their first call asked for."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import uuid4

from django.db import transaction
from django_q.models import Task
from django_q.tasks import async_task

from jobs import dispatch
from jobs.audit import Actor, Operation
from jobs.conf import settings
from jobs.django_q2.calls import OldCall, id_tag
from jobs.exceptions import JobsError
from jobs.failures import redrive
from jobs.models import FailedJob, Job


@dataclass(slots=True)
class ResubmitReport:
    """How many tasks run again; `refused` counts those that do not, by the reason."""

    resubmitted: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def resubmit(
    tasks: Iterable[Task], actor: Actor, reason: str = "", *, scope: str = ""
) -> ResubmitReport:
    """Enqueue these finished tasks again. Their rows stay as they are.

    A failed task runs again under its own id: its failed job is retried, with its name, timeout and
    all other options, and a success takes the place of the failure. One that succeeded runs as a
    new task. Where the ledger no longer has the job, the row's own arguments, hook, group and
    cluster are used. Audited.
    """
    report = ResubmitReport()
    operation = Operation(actor, "resubmit", scope or "finished django-q2 tasks", reason)
    for task in tasks:
        try:
            with transaction.atomic(using=settings.DATABASE):
                _again(task, operation, reason)
        except JobsError as error:
            report.refused[str(error)] += 1
        else:
            report.resubmitted += 1
    return report


def _again(task: Task, operation: Operation, reason: str) -> None:
    jobs = Job.objects.using(settings.DATABASE).filter(tags__name=id_tag(task.pk))
    if not task.success:
        failed = FailedJob.objects.using(settings.DATABASE).filter(job__in=jobs.values("pk"))
        if failed.exists():
            _retry(failed.unretried().order_by("-failed_at").first(), operation.actor, reason)
            return
    job = jobs.order_by("-id").first()
    new_id = _copy(job) if job is not None else _call(task)
    operation.add([new_id.pk])


class AlreadyResubmitted(JobsError):
    """The task failed, and was resubmitted already."""


def _retry(failed: FailedJob | None, actor: Actor, reason: str) -> None:
    if failed is None:
        raise AlreadyResubmitted("It was resubmitted already")
    report = redrive.retry([failed.pk], actor, reason)
    if not report.retried:
        raise AlreadyResubmitted(next(iter(report.refused), "It was resubmitted already"))


def _copy(job: Job) -> Job:
    arguments = copy.deepcopy(job.arguments)
    arguments["kwargs"]["task"]["id"] = uuid4().hex
    call = OldCall.stored(**arguments["kwargs"])
    new = dispatch.new_job_from(
        job.definition,
        arguments,
        queue=job.queue,
        priority=job.priority,
        options=job.options,
        tags=call.tags,
    )
    dispatch.insert([new])
    return Job(pk=new.id)


def _call(task: Task) -> Job:
    new_task = async_task(
        task.func,
        *(task.args or ()),
        **{
            **(task.kwargs or {}),
            "q_options": {
                "task_name": task.name,
                "hook": task.hook,
                "group": task.group,
                "cluster": task.cluster,
                "sync": False,
            },
        },
    )
    jobs = Job.objects.using(settings.DATABASE).filter(tags__name=id_tag(new_task))
    return jobs.only("pk").latest("id")
