"""Shows the sensitive arguments of one job."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.core.management.base import CommandParser
from django.db.models import Q

from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import NothingSensitive
from jobs.management.command import OperatorCommand, nothing, refusal, uuid
from jobs.management.output import as_json
from jobs.models import FailedJob, Job
from jobs.privacy.revealing import reveal


class Command(OperatorCommand):
    help = (
        "Print the arguments of a job with its sensitive ones decrypted. ID is that of a job or of "
        "a failed job. The audit log keeps who did it and why."
    )
    exit_codes: ClassVar = {1: "the job has no sensitive arguments"}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id", type=uuid, metavar="ID")
        parser.add_argument(
            "--reason", required=True, metavar="TEXT", help="kept in the audit log; needed"
        )

    def operate(self, **options: Any) -> None:
        if not options["reason"].strip():
            raise refusal("--reason must say why.")
        row = _row(options["id"])
        try:
            arguments = reveal(row, Actor.of_command(), options["reason"])
        except NothingSensitive as error:
            raise nothing(str(error)) from error
        job_id = row.job_id if isinstance(row, FailedJob) else row.pk
        data = {"job": job_id, "definition": row.definition, "arguments": arguments}
        self.show(options, data, as_json(arguments))


def _row(wanted: UUID) -> Job | FailedJob:
    job = Job.objects.using(conf.DATABASE).filter(pk=wanted).first()
    if job is not None:
        return job
    failed = FailedJob.objects.using(conf.DATABASE).filter(Q(pk=wanted) | Q(job_id=wanted))
    found: FailedJob | None = failed.first()
    if found is None:
        raise refusal(f"There is neither a job nor a failed job {wanted}.")
    return found
