"""Starts a cluster: everything that one host needs to run jobs."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.cluster.naming import POOL_VARIABLE, VARIABLE
from jobs.conf import Pool
from jobs.conf import settings as conf
from jobs.exceptions import JobsConfigurationError
from jobs.management.command import USAGE
from jobs.management.pools import pool_of


class Command(BaseCommand):
    help = (
        "Start a cluster: workers for every pool of JOBS_POOLS, and the clock that promotes due "
        "jobs, runs schedules and rescues the jobs of dead workers. SIGTERM or Ctrl-C lets running "
        "jobs end within the pool's shutdown_grace; once more ends them now."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        told = (
            "Exit codes: 0: stopped as it was asked to; 1: it could not start; "
            f"{USAGE}: refused, nothing was started."
        )
        return super().create_parser(prog_name, subcommand, epilog=told, **kwargs)

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
        except JobsConfigurationError as error:
            raise CommandError(str(error), returncode=USAGE) from error
        except ClusterFailed as error:
            raise CommandError(str(error)) from error
        if cluster.supervise() == EXIT_RESTART:
            _start_anew()


def _pools(name: str | None) -> list[Pool]:
    """The pool that is named, on the command line or by django-q2's variable; else all."""
    chosen = name or os.environ.get(POOL_VARIABLE)
    if not chosen and os.environ.get(VARIABLE) in conf.POOLS:
        chosen = os.environ[VARIABLE]
    return [pool_of(chosen)] if chosen else list(conf.POOLS.values())


def _start_anew() -> None:
    """Replace this process by a fresh one, with the code as it is now, under the same id."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
