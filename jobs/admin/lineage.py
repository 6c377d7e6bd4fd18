"""What a job came from, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse

from jobs.admin.display import absolute
from jobs.models import FailedJob, Job, JobSchedule, JobState

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Relation:
    """One link: `url` is empty where what it names is no longer there."""

    label: str
    text: str
    url: str = ""
    state: str = ""


def of(job: Job, failed: FailedJob | None) -> list[Relation]:
    """The failed job, retries, schedule and chain of a job, at most 20 of each."""
    relations = []
    if failed is not None:
        address = reverse("admin:jobs_failedjob_change", args=[failed.pk])
        relations.append(Relation("Failed job", failed.exception_class or failed.reason, address))
    one_of = [("Retry of", job.retry_of_id), ("Follows", job.follows_id)]
    named = Job.objects.in_bulk([pk for _, pk in one_of if pk])
    for label, pk in one_of:
        if pk:
            before = named.get(pk)
            cloned = label == "Retry of" and before is not None and not _has_failed(before)
            relations.append(_job("Clone of" if cloned else label, pk, before))
    for retry in Job.objects.filter(retry_of=job).defer("arguments", "result")[:SHOWN]:
        relations.append(_job("Retried as" if _has_failed(job) else "Cloned as", retry.pk, retry))
    if job.schedule_id:
        relations.append(_schedule(job, job.schedule_id))
    for successor in _successors(job):
        relations.append(_job("Followed by", successor.pk, successor))
    return relations


def _has_failed(job: Job) -> bool:
    return job.state == JobState.FAILED


def _successors(job: Job) -> list[Job]:
    # Only blocked jobs are indexed by what they follow; those of a chain, by the chain.
    rows = Job.objects.filter(follows=job)
    rows = rows.filter(chain=job.chain) if job.chain else rows.filter(state=JobState.BLOCKED)
    return list(rows.defer("arguments", "result").order_by("pk")[:SHOWN])


def _job(label: str, pk: UUID, job: Job | None) -> Relation:
    if job is None:
        return Relation(label, f"{pk} (no longer in the ledger)")
    address = reverse("admin:jobs_job_change", args=[pk])
    return Relation(label, f"{job.short_name} {pk}", address, job.state)


def _schedule(job: Job, pk: int) -> Relation:
    slot = f" at {absolute(job.slot_at)}" if job.slot_at else ", run by hand"
    schedule = JobSchedule.objects.filter(pk=pk).first()
    if schedule is None:
        return Relation("Schedule", f"no longer there{slot}")
    address = reverse("admin:jobs_jobschedule_change", args=[schedule.pk])
    return Relation("Schedule", f"{schedule.name}{slot}", address)
