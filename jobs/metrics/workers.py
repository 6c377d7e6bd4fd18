"""Clusters and workers: who is alive, and what each is doing."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.models import Cluster, ClusterStatus, Job, Worker

MISSED_HEARTBEATS = 3
"""A cluster that has been silent for so many heartbeats is taken for dead."""

MOST = 1000
"""So many clusters, and so many workers, are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """One worker process that has not ended, as far as is known."""

    id: int
    cluster: UUID | None
    pool: str
    host: str
    pid: int
    started_at: dt.datetime
    alive: bool
    """Whether its cluster is; a worker without one is believed."""
    holds: int
    """Jobs that it has claimed: at most one of them runs, the others are about to."""
    job: UUID | None
    definition: str
    running_for: dt.timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterState:
    """One cluster that has not ended, as far as is known."""

    id: UUID
    name: str
    pool: str
    host: str
    pid: int
    status: str
    alive: bool
    silent_for: dt.timedelta
    started_at: dt.datetime
    queues: list[str]
    processes: int
    reincarnations: int
    version: str
    release: str
    restart_requested: bool


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """All clusters and workers that have not ended."""

    clusters: list[ClusterState] = field(default_factory=list)
    workers: list[WorkerState] = field(default_factory=list)

    @property
    def alive(self) -> list[ClusterState]:
        return [cluster for cluster in self.clusters if cluster.alive]

    @property
    def silent(self) -> list[ClusterState]:
        """Clusters that do not respond."""
        return [cluster for cluster in self.clusters if not cluster.alive]

    @property
    def busy(self) -> int:
        return sum(1 for worker in self.workers if worker.alive and worker.holds)

    @property
    def idle(self) -> int:
        return sum(1 for worker in self.workers if worker.alive and not worker.holds)


def alive_since(now: dt.datetime) -> dt.datetime:
    """A cluster whose heartbeat is older than this is taken for dead."""
    return now - MISSED_HEARTBEATS * conf.HEARTBEAT


def worker_status() -> WorkerStatus:
    """Tell of every cluster and worker that has not ended: exact up to 1,000 of each.

    Whether one is alive is a matter of its cluster's heartbeat, by the database's clock. A cluster
    that has just begun to stop is alive as long as it says so.
    """
    now = ledger().now()
    rows = Cluster.objects.using(conf.DATABASE).active().order_by("host", "started_at")[:MOST]
    clusters = [_cluster_state(row, now) for row in rows]
    alive = {cluster.id for cluster in clusters if cluster.alive}
    workers = list(Worker.objects.using(conf.DATABASE).alive().order_by("host", "pid")[:MOST])
    held = _jobs_of(workers)
    return WorkerStatus(clusters, [_worker_state(row, held[row.pk], alive, now) for row in workers])


def live_clusters() -> int:
    """How many clusters can take work: they have started, do not stop, and are heard of."""
    rows = Cluster.objects.using(conf.DATABASE).heard_since(alive_since(ledger().now()))
    return rows.exclude(status=ClusterStatus.STOPPING).count()


def _jobs_of(workers: list[Worker]) -> defaultdict[int, list[Job]]:
    held: defaultdict[int, list[Job]] = defaultdict(list)
    jobs = Job.objects.using(conf.DATABASE).held_by([worker.pk for worker in workers])
    fields = ("id", "definition", "started_at", "worker_id")
    for job in jobs.order_by("started_at", "id").only(*fields)[: 10 * MOST]:
        if job.worker_id is not None:
            held[job.worker_id].append(job)
    return held


def _cluster_state(row: Cluster, now: dt.datetime) -> ClusterState:
    return ClusterState(
        id=row.pk,
        name=row.name,
        pool=row.pool,
        host=row.host,
        pid=row.pid,
        status=row.status,
        alive=row.heartbeat_at >= alive_since(now),
        silent_for=max(now - row.heartbeat_at, dt.timedelta(0)),
        started_at=row.started_at,
        queues=list(row.queues),
        processes=row.processes,
        reincarnations=row.reincarnations,
        version=row.version,
        release=row.release,
        restart_requested=row.restart_requested_at is not None,
    )


def _worker_state(row: Worker, jobs: list[Job], alive: set[UUID], now: dt.datetime) -> WorkerState:
    first = jobs[0] if jobs else None
    since = first.started_at if first else None
    return WorkerState(
        id=row.pk,
        cluster=row.cluster_id,
        pool=row.pool,
        host=row.host,
        pid=row.pid,
        started_at=row.started_at,
        alive=row.cluster_id is None or row.cluster_id in alive,
        holds=len(jobs),
        job=first.pk if first else None,
        definition=first.definition if first else "",
        running_for=now - since if since else None,
    )
