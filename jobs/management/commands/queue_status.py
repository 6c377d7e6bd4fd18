"""Tells how the engine is: clusters, workers, queues, jobs by state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs import metrics, tag_pausing
from jobs.conf import settings as conf
from jobs.management.command import OperatorCommand, nothing
from jobs.management.output import plain, table
from jobs.metrics.workers import WorkerStatus, live_clusters
from jobs.models import TagPause

COUNT_UP_TO = 1_000_000


class Command(OperatorCommand):
    help = (
        "Show clusters, workers, queues, and the number of jobs in each state. Numbers are exact "
        f"up to {COUNT_UP_TO:,} a state and 10,000 a queue."
    )
    exit_codes: ClassVar = {1: "with --check: no live cluster"}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--check", action="store_true", help="fail unless a cluster is alive")

    def operate(self, **options: Any) -> None:
        status = metrics.worker_status()
        jobs = metrics.jobs_by_state(COUNT_UP_TO)
        failed = metrics.failed_count(COUNT_UP_TO)
        queues = metrics.queue_stats()
        paused_tags = tag_pausing.paused()
        average = metrics.average_processing_time()
        data = {
            "transport": conf.TRANSPORT,
            "clusters": status.clusters,
            "workers": status.workers,
            "queues": [{**plain(queue), "backed_up": queue.backed_up} for queue in queues],
            "paused_tags": [
                {"tag": pause.tag, "until": pause.paused_until, "reason": pause.reason}
                for pause in paused_tags
            ],
            "jobs": jobs,
            "jobs_capped": [state for state, count in jobs.items() if count.capped],
            "failed_jobs": failed,
            "jobs_processed_today": metrics.jobs_processed_today(),
            "average_processing_time": average,
            "throughput": metrics.throughput(),
        }
        text = "\n\n".join(
            [
                _clusters(status),
                _workers(status),
                _queues(queues),
                *_tags(paused_tags),
                table(
                    [*jobs, "not retried"],
                    [[*jobs.values(), failed]],
                ),
            ]
        )
        self.show(options, data, text)
        if options["check"] and not live_clusters():
            raise nothing("No live cluster.")


def _clusters(status: WorkerStatus) -> str:
    if not status.clusters:
        return "No cluster runs. Start one with: manage.py qcluster"
    rows = [
        (
            cluster.name,
            cluster.host,
            cluster.pid,
            cluster.pool,
            cluster.status if cluster.alive else "silent",
            cluster.silent_for,
            cluster.processes,
            cluster.reincarnations,
        )
        for cluster in status.clusters
    ]
    headings = (
        "cluster", "host", "pid", "pool", "status", "last heard", "processes", "replaced",
    )  # fmt: skip
    return table(headings, rows)


def _tags(pauses: Sequence[TagPause]) -> list[str]:
    """A table, or nothing where no tag is paused."""
    rows = [(pause.tag, pause.paused_until, pause.reason) for pause in pauses]
    return [table(("paused tag", "until", "reason"), rows)] if rows else []


def _workers(status: WorkerStatus) -> str:
    if not status.workers:
        return "No worker runs."
    rows = [
        (
            worker.id,
            worker.host,
            worker.pid,
            worker.pool,
            "lost?" if not worker.alive else "busy" if worker.holds else "idle",
            worker.definition,
            worker.running_for,
        )
        for worker in status.workers
    ]
    return table(("worker", "host", "pid", "pool", "state", "job", "for"), rows)


def _queues(queues: list[metrics.QueueStats]) -> str:
    rows = [
        (
            queue.name,
            queue.ready,
            queue.scheduled,
            queue.blocked,
            queue.running,
            queue.wait,
            f"{queue.throughput:.1f}",
            _remark(queue),
        )
        for queue in queues
    ]
    headings = (
        "queue", "ready", "scheduled", "blocked", "running", "wait", "jobs/min", "remark",
    )  # fmt: skip
    return table(headings, rows)


def _remark(queue: metrics.QueueStats) -> str:
    remarks = []
    if queue.paused:
        remarks.append("paused")
    if queue.backed_up:
        remarks.append(f"more than {queue.max_waiting:,} ready")
    return ", ".join(remarks)
