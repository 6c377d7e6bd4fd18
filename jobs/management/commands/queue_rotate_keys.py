"""Encrypts sensitive arguments anew, with the first key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.management.command import OperatorCommand, nothing
from jobs.management.output import counted
from jobs.privacy.rotation import RotationReport, rotate


class Command(OperatorCommand):
    help = (
        "Encrypt the sensitive arguments of jobs that have not ended, of failed jobs and of "
        "schedules with the first key of JOBS_ENCRYPTION_KEYS, so that the others can be removed. "
        "Works in batches while the site runs, and can be stopped and started again."
    )
    exit_codes: ClassVar = {1: "no key decrypts some of them; they stay as they are"}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--finished",
            action="store_true",
            help="also jobs that have ended: without the old key theirs cannot be revealed",
        )

    def operate(self, **options: Any) -> None:
        report = rotate(
            Actor.of_command(),
            options["reason"],
            finished=options["finished"],
            dry_run=options["dry_run"],
            on_batch=lambda report: self._tell(report, options),
        )
        self.show(
            options, {"dry_run": options["dry_run"], "rotated": report}, _text(report, options)
        )
        if report.unreadable:
            raise nothing(
                f"No key decrypts the arguments of {counted(report.unreadable, 'row')}: "
                f"{', '.join(report.unreadable_rows)}."
            )

    def _tell(self, report: RotationReport, options: Mapping[str, Any]) -> None:
        if not options["json"]:
            done = report.jobs + report.failed_jobs + report.schedules
            self.stdout.write(f"  {counted(report.looked_at, 'row')} looked at, {done:,} to change")
            self.stdout.flush()


def _text(report: RotationReport, options: Mapping[str, Any]) -> str:
    verb = "Would encrypt" if options["dry_run"] else "Encrypted"
    return (
        f"{verb} anew the arguments of {counted(report.jobs, 'job')}, "
        f"{counted(report.failed_jobs, 'failed job')} and "
        f"{counted(report.schedules, 'schedule')}."
    )
