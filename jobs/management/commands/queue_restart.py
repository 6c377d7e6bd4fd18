"""Asks clusters to start anew."""

from __future__ import annotations

import time
from typing import Any, ClassVar
from uuid import UUID

from django.core.management.base import CommandParser

from jobs import restarting
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.management.command import FOUND_NOTHING, OperatorCommand, nothing, positive
from jobs.models import Cluster

LOOK_EVERY = 0.2


class Command(OperatorCommand):
    help = (
        "Ask all clusters to start anew with the code that is there now: each stops claiming, lets "
        "its jobs end within the grace, gives back the rest, and starts again under its process id."
    )
    acts = True
    exit_codes: ClassVar = {
        FOUND_NOTHING: "no cluster is running, or with --wait one did not come back in time"
    }

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--wait",
            type=positive,
            metavar="SECONDS",
            help="return when every cluster is back, or after so long",
        )

    def operate(self, **options: Any) -> None:
        running = Cluster.objects.using(conf.DATABASE).active()
        asked = {row.pk: row for row in running}
        if not asked:
            raise nothing("No cluster is running.")
        names = [str(row) for row in asked.values()]
        if options["dry_run"]:
            self.show(options, {"would_restart": names}, f"Would restart {', '.join(names)}.")
            return
        restarting.request_restart(
            running.filter(pk__in=list(asked)), Actor.of_command(), options["reason"]
        )
        missing = _wait(asked, options["wait"]) if options["wait"] else {}
        back = [str(row) for pk, row in asked.items() if options["wait"] and pk not in missing]
        self.show(
            options,
            {"asked": names, "back": back, "missing": [str(row) for row in missing.values()]},
            f"Asked {len(names)} to restart: {', '.join(names)}."
            + (f" {len(back)} are back." if options["wait"] else ""),
        )
        if missing:
            raise nothing(f"Not back yet: {', '.join(map(str, missing.values()))}")


def _wait(asked: dict[UUID, Cluster], seconds: int) -> dict[UUID, Cluster]:
    """Wait for all to be back; return those that are not."""
    deadline = time.monotonic() + seconds
    missing = dict(asked)
    while missing and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
        missing = {pk: row for pk, row in missing.items() if not _is_back(row)}
    return missing


def _is_back(former: Cluster) -> bool:
    """Whether the process that ran this cluster runs the next one."""
    rows = Cluster.objects.using(conf.DATABASE)
    successor = rows.active().filter(
        host=former.host, pid=former.pid, started_at__gt=former.started_at
    )
    return successor.exclude(pk=former.pk).filter(status="running").exists()
