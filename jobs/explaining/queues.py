"""Why the jobs of a queue do not start, whichever they are."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from jobs import queue_names
from jobs.conf import settings as conf
from jobs.explaining.reasons import Reason, Remedy
from jobs.ledger import ledger
from jobs.management.output import counted, duration, moment
from jobs.metrics.queues import queue_sizes
from jobs.metrics.workers import ClusterState, WorkerState, WorkerStatus, worker_status
from jobs.models import Queue

WORKERS = Remedy(
    "See clusters and workers", "jobs_cluster_changelist", (), "jobs.view_cluster", "queue_status"
)


def explain_queue(name: str) -> Reason:
    """The one reason that holds back the jobs of a queue, or how it moves. Raises UnknownQueue."""
    queue = queue_names.resolve(name)
    status = worker_status()
    held = held_back(queue, status)
    if held is not None:
        return held
    (ready,) = queue_sizes([queue]).values()
    if not ready:
        return Reason("nothing_ready", f"No job is ready on {queue}.", is_in_order=True)
    free = [worker for worker in serving(queue, status) if not worker.holds]
    return Reason(
        "moves",
        f"{counted(ready, 'job')} ready on {queue}, and {counted(len(free), 'worker')} free: "
        "they start at any moment.",
        is_in_order=True,
    )


def held_back(queue: str, status: WorkerStatus) -> Reason | None:
    """What holds back every ready job of a queue; None if nothing does."""
    row = Queue.objects.using(conf.DATABASE).select_related("paused_by").filter(pk=queue).first()
    if row is not None and row.is_paused(ledger().now()):
        return _paused(row)
    if conf.TRANSPORT == "sync":
        return None
    workers = serving(queue, status)
    if workers:
        return _all_busy(queue, workers) if all(worker.holds for worker in workers) else None
    clusters = [cluster for cluster in status.alive if cluster.status != "stopping"]
    if not clusters:
        return _no_cluster(status)
    if not any(queue in cluster.queues for cluster in clusters):
        return _unserved(queue, clusters)
    text = f"No worker that serves {queue} is up: its cluster starts, or starts them anew."
    return Reason("no_worker", text, remedies=(WORKERS,))


def serving(queue: str, status: WorkerStatus) -> list[WorkerState]:
    """The live workers that take jobs from this queue; those of `queue_work` have no cluster."""
    clusters: set[UUID | None] = {
        cluster.id
        for cluster in status.alive
        if queue in cluster.queues and cluster.status != "stopping"
    }
    clusters.add(None)
    return [
        worker
        for worker in status.workers
        if worker.alive and worker.cluster in clusters and _pool_serves(worker.pool, queue)
    ]


def _pool_serves(pool: str, queue: str) -> bool:
    """By the settings here; a pool that they do not know may serve all that its cluster does."""
    known = conf.POOLS.get(pool)
    return known is None or queue in known.queues


def _paused(row: Queue) -> Reason:
    text = f"The queue {row.name} is paused"
    if row.paused_by is not None:
        text += f" by {row.paused_by.get_username()}"
    if row.paused_at is not None:
        text += f" since {moment(row.paused_at)}"
    text += f" until {moment(row.paused_until)}" if row.paused_until else ", until it is resumed"
    resume = Remedy(
        "Resume the queue", "jobs_queue_resume", (row.name,), "jobs.pause_queue",
        f"queue_resume {row.name}",
    )  # fmt: skip
    told = f"{text}: {row.paused_reason}" if row.paused_reason else f"{text}."
    return Reason("queue_paused", told, remedies=(resume,))


def _no_cluster(status: WorkerStatus) -> Reason:
    text = "No cluster is alive: nothing takes jobs. Start one with manage.py qcluster."
    if status.silent:
        last = min(status.silent, key=lambda cluster: cluster.silent_for)
        text += f" {last.name} on {last.host} was last heard of {duration(last.silent_for)} ago."
    return Reason("no_cluster", text, remedies=(WORKERS,))


def _unserved(queue: str, clusters: list[ClusterState]) -> Reason:
    served = sorted({name for cluster in clusters for name in cluster.queues})
    text = (
        f"No live cluster serves the queue {queue}; they serve {', '.join(served)}. Name it in a "
        "pool of JOBS_POOLS, and start a cluster with that pool."
    )
    return Reason("queue_unserved", text, remedies=(WORKERS,))


def _all_busy(queue: str, workers: list[WorkerState]) -> Reason:
    longest = max(workers, key=lambda worker: worker.running_for or dt.timedelta(0))
    text = f"All {counted(len(workers), 'worker')} of {queue} are busy"
    remedies: tuple[Remedy, ...] = (WORKERS,)
    if longest.job is not None and longest.running_for is not None:
        text += (
            f"; the longest runs {longest.definition.rpartition('.')[2]} for "
            f"{duration(longest.running_for)}"
        )
        page = Remedy("See that job", "jobs_job_change", (str(longest.job),), "jobs.view_job")
        remedies = (page, WORKERS)
    return Reason("workers_busy", f"{text}.", remedies=remedies)
