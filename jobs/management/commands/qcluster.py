"""Starts a cluster: everything that one host needs to run jobs."""

from __future__ import annotations

import difflib
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.conf import Pool
from jobs.conf import settings as conf
from jobs.exceptions import JobsConfigurationError


class Command(BaseCommand):
    help = (
        "Start a cluster: workers for every pool of JOBS_POOLS, and the clock that promotes due "
        "jobs, runs schedules and rescues the jobs of dead workers. SIGTERM or Ctrl-C lets running "
        "jobs end within the pool's shutdown_grace; once more ends them now."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "-n", "--name", "--pool", dest="pool", metavar="POOL", help="start this pool only"
        )
        parser.add_argument(
            "--run-once",
            action="store_true",
            help="stop when no job is ready or running any more",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from jobs.cluster.cluster import ClusterFailed, JobsCluster
        from jobs.cluster.sentinel import EXIT_RESTART

        try:
            pools = _pools(options["pool"])
            cluster = JobsCluster(pools, run_once=options["run_once"])
            cluster.start()
        except (JobsConfigurationError, ClusterFailed) as error:
            raise CommandError(str(error)) from error
        if cluster.supervise() == EXIT_RESTART:
            _start_anew()


def _pools(name: str | None) -> list[Pool]:
    chosen = name or os.environ.get("JOBS_POOL")
    if not chosen:
        return list(conf.POOLS.values())
    if chosen not in conf.POOLS:
        near = difflib.get_close_matches(chosen, conf.POOLS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise CommandError(
            f"--name: {chosen!r}: must be one of {', '.join(conf.POOLS)} (JOBS_POOLS){hint}"
        )
    return [conf.POOLS[chosen]]


def _start_anew() -> None:
    """Replace this process by a fresh one, with the code as it is now, under the same id."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
