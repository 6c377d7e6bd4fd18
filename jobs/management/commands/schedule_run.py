"""Enqueues the jobs of schedules now."""

from __future__ import annotations

import difflib
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.exceptions import JobsError
from jobs.models import JobSchedule
from jobs.scheduling import running


class Command(BaseCommand):
    help = (
        "Enqueue the jobs of these schedules now, beside their times, also of paused ones. "
        "Exits 1, having enqueued nothing, if there is no schedule of a name; and 1 if a schedule "
        "cannot be run, having enqueued the others."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="+", metavar="NAME", help="name of a schedule")
        parser.add_argument("--reason", default="", help="why, for the audit")
        parser.add_argument("--json", action="store_true", help="print the ids of the jobs as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = Actor.of_command()
        enqueued: dict[str, str] = {}
        refused: dict[str, str] = {}
        for schedule in _schedules(options["names"]):
            try:
                job_id = running.run_now(schedule, actor, options["reason"])
            except JobsError as error:
                refused[schedule.name] = str(error)
            else:
                enqueued[schedule.name] = str(job_id)
        if options["json"]:
            self.stdout.write(json.dumps({"enqueued": enqueued, "refused": refused}, indent=2))
        else:
            for name, job in enqueued.items():
                self.stdout.write(f"{name}: enqueued as {job}")
        if refused:
            told = "; ".join(f"{name}: {error}" for name, error in refused.items())
            raise CommandError(f"Not enqueued: {told}")


def _schedules(names: list[str]) -> list[JobSchedule]:
    rows = JobSchedule.objects.using(conf.DATABASE)
    found = {schedule.name: schedule for schedule in rows.filter(name__in=names)}
    for name in names:
        if name not in found:
            near = difflib.get_close_matches(name, rows.values_list("name", flat=True), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise CommandError(f"There is no schedule {name!r}.{hint}")
    return [found[name] for name in dict.fromkeys(names)]
