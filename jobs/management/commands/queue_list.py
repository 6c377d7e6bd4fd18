"""Lists queues, or the jobs of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser
from django.db.models import Exists, OuterRef

from jobs import queue_names, registry
from jobs.conf import settings as conf
from jobs.keyset import first_of
from jobs.management.command import OperatorCommand, nothing, positive, refusal
from jobs.management.output import as_json, plain, table
from jobs.metrics.queues import queue_stats
from jobs.models import Job, JobState, JobTag
from jobs.privacy.masking import masked

LIMIT = 50


class Command(OperatorCommand):
    help = (
        "List the queues. With QUEUE, --state, --definition or --tag, list the jobs that match, "
        "the newest first."
    )
    exit_codes: ClassVar = {1: "no job matches"}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("queue", nargs="?", metavar="QUEUE", help="jobs of this queue")
        parser.add_argument("--state", choices=JobState.values, help="jobs in this state")
        parser.add_argument(
            "--definition", metavar="NAME", help="jobs of this definition, by its dotted path"
        )
        parser.add_argument("--tag", metavar="TAG", help="jobs that bear this tag")
        parser.add_argument(
            "--limit", type=positive, metavar="N", help=f"so many jobs, {LIMIT} by default"
        )

    def operate(self, **options: Any) -> None:
        if any(options[name] for name in ("queue", "state", "definition", "tag")):
            self._list_jobs(options)
        elif options["limit"]:
            raise refusal("--limit is for jobs: say also QUEUE, --state, --definition or --tag.")
        else:
            self._list_queues(options)

    def _list_queues(self, options: Mapping[str, Any]) -> None:
        queues = queue_stats()
        rows = [
            (
                queue.name,
                queue.ready,
                queue.pending,
                queue.running,
                queue.wait,
                queue.dead,
                queue.max_waiting,
                queue.paused,
                queue.paused_until,
                queue.paused_reason,
            )
            for queue in queues
        ]
        headings = (
            "queue", "ready", "pending", "running", "wait", "dead", "max waiting", "paused",
            "until", "why",
        )  # fmt: skip
        self.show(options, {"queues": queues}, table(headings, rows))

    def _list_jobs(self, options: Mapping[str, Any]) -> None:
        jobs = _jobs(options, options["limit"] or LIMIT)
        if options["json"]:
            self.stdout.write(as_json({"jobs": [_facts(job) for job in jobs]}))
        if not jobs:
            raise nothing("No job matches.")
        if not options["json"]:
            rows = [
                (
                    job.pk,
                    job.short_name,
                    job.queue,
                    job.state,
                    job.priority,
                    job.attempts,
                    job.enqueued_at,
                    job.due_at if job.state == JobState.SCHEDULED else None,
                )
                for job in jobs
            ]
            headings = (
                "id", "job", "queue", "state", "priority", "attempts", "enqueued", "due",
            )  # fmt: skip
            self.stdout.write(table(headings, rows))


def _jobs(options: Mapping[str, Any], limit: int) -> list[Job]:
    """The newest jobs that the options ask for."""
    jobs = Job.objects.using(conf.DATABASE).defer("result", "options", "checkpoint")
    states = [options["state"]] if options["state"] else []
    if options["queue"]:
        jobs = jobs.on_queues([queue_names.resolve(options["queue"])])
    if definition := options["definition"]:
        jobs = jobs.filter(definition=definition)
        if not any(part.exists() for part in jobs.by_state(*states)):
            registry.get(definition)
    if options["tag"]:
        tags = JobTag.objects.using(conf.DATABASE).filter(job=OuterRef("pk"), name=options["tag"])
        jobs = jobs.filter(Exists(tags))
    if options["queue"] or options["definition"]:
        return first_of(jobs.by_state(*states), ("-enqueued_at", "-pk"), limit)
    return list((jobs.in_state(*states) if states else jobs).order_by("-pk")[:limit])


def _facts(job: Job) -> dict[str, Any]:
    names = (
        "id", "definition", "queue", "state", "priority", "attempts", "arguments", "enqueued_at",
        "started_at", "finished_at", "due_at", "deadline", "schedule_id", "chain", "retry_of_id",
        "worker_id", "progress", "cancel_requested",
    )  # fmt: skip
    facts: dict[str, Any] = plain({name: getattr(job, name) for name in names})
    shown = masked(job.definition, facts["arguments"])
    return {**facts, "arguments": shown, "life_cycle": job.life_cycle}
