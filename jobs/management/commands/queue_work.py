"""Runs jobs in this process."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs import queue_names
from jobs.cluster.foreground import EXIT_ABANDONED, EXIT_LOST, EXIT_TIMED_OUT, Foreground
from jobs.cluster.worker import Mode
from jobs.conf import Pool
from jobs.exceptions import JobsConfigurationError
from jobs.ledger.outcome import Outcome
from jobs.management.command import OperatorCommand
from jobs.management.output import plain
from jobs.management.pools import pool_of


class Command(OperatorCommand):
    help = (
        "Run jobs in this process, one after the other, and print each. Without a cluster beside "
        "it nobody runs schedules. Ctrl-C lets the running job end; once more gives it back."
    )
    exit_codes: ClassVar = {
        EXIT_LOST: "taken for dead by other clusters",
        EXIT_TIMED_OUT: "a job went on past its timeout, and the process was ended with it",
        EXIT_ABANDONED: "stopped in the middle of a job, which was given back",
    }

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        how_long = parser.add_mutually_exclusive_group()
        how_long.add_argument("--once", action="store_true", help="run one job, if one is ready")
        how_long.add_argument(
            "--until-empty", action="store_true", help="stop when no job is ready any more"
        )
        parser.add_argument("--pool", metavar="POOL", help="whose queues and limits to take")
        parser.add_argument(
            "--queues",
            metavar="A,B",
            help="serve these queues, in this order, instead of the pool's",
        )

    def operate(self, **options: Any) -> None:
        as_json = bool(options["json"])
        worker = Foreground(
            _pool(options["pool"], options["queues"]),
            lambda outcome: self._print(outcome, as_json),
        )
        reason = worker.run(_mode(options))
        if not as_json:
            self.stderr.write(reason)

    def _print(self, outcome: Outcome, as_json: bool) -> None:
        facts = _facts(outcome)
        if as_json:
            self.stdout.write(json.dumps(plain(facts), ensure_ascii=False))
        else:
            error = f"  {outcome.exception_class}: {outcome.message}" if outcome.message else ""
            self.stdout.write(
                f"{outcome.job.id}  {outcome.job.definition}  {outcome.outcome}  "
                f"{facts['run_time']:.3f} s{error}"
            )
        self.stdout.flush()


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.job.id,
        "definition": outcome.job.definition,
        "queue": outcome.job.queue,
        "attempt": outcome.job.attempts,
        "outcome": outcome.outcome,
        "state": outcome.state,
        "run_time": (outcome.finished_at - outcome.started_at).total_seconds(),
        "exception_class": outcome.exception_class,
        "message": outcome.message,
    }


def _pool(name: str | None, queues: str | None) -> Pool:
    pool = pool_of(name)
    if queues is None:
        return pool
    wanted = [word.strip() for word in queues.split(",") if word.strip()]
    if not wanted:
        raise JobsConfigurationError(f"--queues: {queues!r}: must name at least one queue")
    return replace(pool, queues=tuple(dict.fromkeys(map(queue_names.resolve, wanted))))


def _mode(options: dict[str, Any]) -> Mode:
    if options["once"]:
        return Mode.ONE_JOB
    return Mode.UNTIL_EMPTY if options["until_empty"] else Mode.FOR_EVER
