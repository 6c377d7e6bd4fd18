"""Enqueues the jobs of schedules now."""

from __future__ import annotations

import difflib
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import JobsError
from jobs.management.command import OperatorCommand, nothing, refusal
from jobs.models import JobSchedule
from jobs.scheduling import binding, running


class Command(OperatorCommand):
    help = (
        "Enqueue the jobs of these schedules now, beside their times; also of paused ones. One "
        "that cannot be run does not stop the others."
    )
    acts = True
    exit_codes: ClassVar = {1: "a schedule could not be run"}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("names", nargs="+", metavar="NAME", help="name of a schedule")

    def operate(self, **options: Any) -> None:
        actor = Actor.of_command()
        enqueued: dict[str, str | None] = {}
        refused: dict[str, str] = {}
        for schedule in _schedules(options["names"]):
            try:
                if options["dry_run"]:
                    binding.job_of(schedule)
                    enqueued[schedule.name] = None
                else:
                    enqueued[schedule.name] = str(
                        running.run_now(schedule, actor, options["reason"])
                    )
            except JobsError as error:
                refused[schedule.name] = str(error)
        lines = [
            f"{name}: enqueued as {job}" if job else f"{name}: would be enqueued"
            for name, job in enqueued.items()
        ]
        if lines or options["json"]:
            self.show(options, {"enqueued": enqueued, "refused": refused}, "\n".join(lines))
        if refused:
            told = "; ".join(f"{name}: {error}" for name, error in refused.items())
            raise nothing(f"Not enqueued: {told}")


def _schedules(names: list[str]) -> list[JobSchedule]:
    rows = JobSchedule.objects.using(conf.DATABASE)
    found = {schedule.name: schedule for schedule in rows.filter(name__in=names)}
    for name in names:
        if name not in found:
            near = difflib.get_close_matches(name, rows.values_list("name", flat=True), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise refusal(f"There is no schedule {name!r}.{hint}")
    return [found[name] for name in dict.fromkeys(names)]
