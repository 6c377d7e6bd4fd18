"""Why one job does not run."""

from __future__ import annotations

import datetime as dt

from jobs import registry
from jobs.conf import settings as conf
from jobs.explaining import blocked, queues
from jobs.explaining.reasons import Reason, Remedy
from jobs.ledger import ledger
from jobs.management.output import counted, duration, moment
from jobs.metrics.counting import bounded_counts
from jobs.metrics.workers import WorkerStatus, worker_status
from jobs.models import Job, JobState, JobTag, Worker
from jobs.tag_pausing import paused_among

LATE = dt.timedelta(seconds=5)
"""So long after its time a scheduled job should be ready at the latest."""


def explain_job(job: Job) -> Reason:
    """The one reason why a job does not run now, or that it does, or has."""
    match job.state:
        case JobState.RUNNING:
            return _running(job)
        case JobState.SCHEDULED:
            return _scheduled(job)
        case JobState.BLOCKED:
            return blocked.explain(job)
        case JobState.READY:
            return _ready(job)
        case _:
            return _ended(job)


def _ended(job: Job) -> Reason:
    when = f" at {moment(job.finished_at)}" if job.finished_at else ""
    remedies: tuple[Remedy, ...] = ()
    if job.state == JobState.FAILED:
        retry = Remedy(
            "Retry",
            "jobs_job_retry",
            (str(job.pk),),
            "jobs.retry_failedjob",
            f"queue_retry {job.pk}",
        )
        remedies = (retry,)
    return Reason(job.state, f"It has {job.state}{when}.", job.state != JobState.FAILED, remedies)


def _running(job: Job) -> Reason:
    status = worker_status()
    worker = next((one for one in status.workers if one.id == job.worker_id), None)
    if worker is not None and not worker.alive:
        text = (
            f"Its worker, process {worker.pid} on {worker.host}, is silent. If it stays so the job "
            "is rescued."
        )
        return Reason("worker_silent", text, remedies=(queues.WORKERS,))
    now = ledger().now()
    for_so_long = duration(max(now - (job.started_at or now), dt.timedelta(0)))
    text = f"It runs, for {for_so_long}"
    text += f", in process {worker.pid} on {worker.host}" if worker is not None else ""
    if job.cancel_requested:
        return Reason("cancelling", f"{text}, and was asked to stop.", is_in_order=True)
    if worker is not None and worker.job is not None and worker.job != job.pk:
        behind = Remedy("See that job", "jobs_job_change", (str(worker.job),), "jobs.view_job")
        text = f"Its worker has claimed it, and runs {worker.definition.rpartition('.')[2]} first."
        return Reason("claimed", text, is_in_order=True, remedies=(behind,))
    return Reason("running", f"{text}.", is_in_order=True)


def _scheduled(job: Job) -> Reason:
    now = ledger().now()
    if job.due_at is not None and job.due_at + LATE < now:
        clusterless = not worker_status().alive and conf.TRANSPORT != "sync"
        text = f"It was due at {moment(job.due_at)}, and nobody has made it ready"
        text += ": no cluster is alive." if clusterless else "."
        return Reason("overdue", text, remedies=(queues.WORKERS,))
    when = moment(job.due_at) if job.due_at else "an unknown time"
    left = f", in {duration(job.due_at - now)}" if job.due_at and job.due_at > now else ""
    why = {"retrying": "its next attempt", "released": "it to go on"}.get(
        job.life_cycle, "it to start"
    )
    return Reason(
        "due_later", f"{when}{left}, is the time for {why}.".capitalize(), is_in_order=True
    )


def _ready(job: Job) -> Reason:
    tags = list(JobTag.objects.using(conf.DATABASE).filter(job=job).values_list("name", flat=True))
    if paused := paused_among(tags):
        return blocked.tag_paused(paused[0])
    status = worker_status()
    held = queues.held_back(job.queue, status)
    if held is not None and held.code != "workers_busy":
        return held
    if unknown := _unknown(job, status):
        return unknown
    if held is not None:
        return _with_place(held, job)
    text = f"A worker of {job.queue} is free: it starts at any moment."
    return _with_place(Reason("next", text, is_in_order=True), job)


def _unknown(job: Job, status: WorkerStatus) -> Reason | None:
    """Whether no worker that could take it knows its code."""
    if conf.TRANSPORT == "sync":
        workers: list[int] = []
        is_unknown = registry.find(job.definition) is None
    else:
        workers = [worker.id for worker in queues.serving(job.queue, status)]
        told = Worker.objects.using(conf.DATABASE).filter(pk__in=workers)
        lists = told.values_list("unknown_definitions", flat=True)
        is_unknown = bool(workers) and all(job.definition in names for names in lists)
    if not is_unknown:
        return None
    text = (
        f"No worker of {job.queue} knows the definition {job.definition}: their code is another. "
        "Deploy the code that has it, or cancel the job."
    )
    cancel = Remedy("Cancel", "jobs_job_cancel", (str(job.pk),), "jobs.cancel_job")
    return Reason("definition_unknown", text, remedies=(cancel, queues.WORKERS))


def _with_place(reason: Reason, job: Job) -> Reason:
    """With the number of jobs that stand before it."""
    ready = Job.objects.using(conf.DATABASE).ready().on_queues([job.queue])
    before = ready.filter(claim_rank__lt=job.claim_rank) | ready.filter(
        claim_rank=job.claim_rank, pk__lt=job.pk
    )
    ahead = bounded_counts({"ahead": before})["ahead"]
    told = f"{ahead} jobs stand" if ahead.capped else f"{counted(ahead, 'job')} stand"
    told = "1 job stands" if ahead == 1 else told
    if not ahead:
        return reason
    return Reason(
        reason.code, f"{reason.text} {told} before it.", reason.is_in_order, reason.remedies
    )
