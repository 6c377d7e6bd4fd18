"""The line of retries that a job belongs to."""

from __future__ import annotations

from uuid import UUID

from jobs.conf import settings as conf
from jobs.models import Job

LONGEST = 100


def lineage(job_id: UUID) -> list[Job]:
    """The job, what it is a retry of, and its own retries, oldest first.

    Jobs that retention has removed are missing, with what lies beyond them. At most 100 in each
    direction.
    """
    jobs = Job.objects.using(conf.DATABASE).defer("arguments", "options", "result")
    line: list[Job] = []
    wanted: UUID | None = job_id
    while wanted is not None and len(line) < LONGEST:
        found = jobs.filter(pk=wanted).first()
        if found is None:
            break
        line.insert(0, found)
        wanted = found.retry_of_id
    newest, seen = [job_id], {job.pk for job in line}
    while newest and len(seen) < 2 * LONGEST:
        retries = [
            job for job in jobs.filter(retry_of_id__in=newest).order_by("pk") if job.pk not in seen
        ]
        line += retries
        newest = [job.pk for job in retries]
        seen.update(newest)
    return line
