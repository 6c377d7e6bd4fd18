"""Says why a job, or the jobs of a queue, do not run."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs import explaining
from jobs.conf import settings as conf
from jobs.explaining.reasons import Reason
from jobs.management.command import OperatorCommand, nothing, refusal, uuid
from jobs.models import Job


class Command(OperatorCommand):
    help = (
        "Say the one reason why a job does not run, or the jobs of a queue do not start, and what "
        "mends it."
    )
    exit_codes: ClassVar = {1: "there is something to mend, or no such job"}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("job", nargs="?", type=uuid, metavar="ID", help="a job")
        parser.add_argument("--queue", metavar="QUEUE", help="a queue")

    def operate(self, **options: Any) -> None:
        if (options["job"] is None) == (options["queue"] is None):
            raise refusal("Say which: the ID of a job, or --queue.")
        reason = self._of_job(options["job"]) if options["job"] else self._of_queue(options)
        self.show(options, {"reason": reason}, _told(reason))
        if not reason.is_in_order:
            raise SystemExit(1)

    def _of_job(self, job_id: Any) -> Reason:
        job = Job.objects.using(conf.DATABASE).filter(pk=job_id).first()
        if job is None:
            raise nothing(f"There is no job {job_id}.")
        return explaining.explain_job(job)

    def _of_queue(self, options: dict[str, Any]) -> Reason:
        return explaining.explain_queue(options["queue"])


def _told(reason: Reason) -> str:
    mends = [f"  manage.py {remedy.command}" for remedy in reason.remedies if remedy.command]
    return "\n".join([reason.text, *mends])
