"""Clusters and workers: who is alive, and what they do."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin import display
from jobs.admin.cluster_actions import RESTART
from jobs.admin.operations import action_of
from jobs.admin.readonly import ReadOnlyAdmin
from jobs.conf import settings as conf
from jobs.models import Cluster, ClusterStatus, Job, Worker

SILENT_AFTER = 3
"""Heartbeats that a cluster may miss."""


@admin.register(Cluster)
class ClusterAdmin(ReadOnlyAdmin):
    """Every cluster that runs, or ran not long ago."""

    list_display = (
        "name",
        "status_shown",
        "host",
        "pid",
        "pool",
        "processes",
        "reincarnations",
        "heartbeat",
        "started",
    )
    nothing = "No cluster has run yet. Start one with: manage.py qcluster"
    operations = (RESTART,)
    actions = [action_of(RESTART)]

    def has_restart_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.restart_cluster")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-started_at", "-id")

    @admin.display(description="status")
    def status_shown(self, cluster: Cluster) -> SafeString:
        return status_of(cluster)

    @admin.display(description="heartbeat")
    def heartbeat(self, cluster: Cluster) -> SafeString | str:
        return display.when(cluster.heartbeat_at)

    @admin.display(description="started")
    def started(self, cluster: Cluster) -> SafeString | str:
        return display.when(cluster.started_at)

    def detail(self, request: HttpRequest, row: Cluster) -> dict[str, Any]:
        workers = row.workers.filter(stopped_at__isnull=True).prefetch_related(running_jobs())
        return {"cluster": row, "status": status_of(row), "workers": list(workers.order_by("id"))}


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Every worker process that runs, or ran not long ago."""

    list_display = (
        "process",
        "status_shown",
        "host",
        "pid",
        "pool",
        "cluster_shown",
        "current_job",
        "started",
    )
    nothing = "No worker has run yet. Start some with: manage.py qcluster"

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        rows = super().get_queryset(request)
        return rows.select_related("cluster").prefetch_related(running_jobs())

    @admin.display(description="worker")
    def process(self, worker: Worker) -> str:
        return f"Worker {worker.pk}"

    @admin.display(description="status")
    def status_shown(self, worker: Worker) -> SafeString:
        return status_of_worker(worker)

    @admin.display(description="cluster")
    def cluster_shown(self, worker: Worker) -> SafeString | str:
        if worker.cluster is None:
            return "by itself"
        address = reverse("admin:jobs_cluster_change", args=[worker.cluster_id])
        return display.link(address, worker.cluster.name)

    @admin.display(description="current job")
    def current_job(self, worker: Worker) -> SafeString | str:
        return job_links(worker)

    @admin.display(description="started")
    def started(self, worker: Worker) -> SafeString | str:
        return display.when(worker.started_at)

    def detail(self, request: HttpRequest, row: Worker) -> dict[str, Any]:
        return {
            "worker": row,
            "title": f"Worker {row.pk}",
            "status": status_of_worker(row),
            "current_job": job_links(row),
        }


def running_jobs() -> Prefetch[Any]:
    """The running jobs of the workers that are fetched, as their `running`, in one query."""
    rows = Job.objects.running().defer("arguments", "result").order_by("pk")
    return Prefetch("jobs", queryset=rows, to_attr="running")


def job_links(worker: Any) -> SafeString | str:
    """Links to what the worker runs."""
    if not worker.running:
        return display.NOTHING
    job = worker.running[0]
    shown = display.link(reverse("admin:jobs_job_change", args=[job.pk]), job.short_name)
    rest = len(worker.running) - 1
    return format_html("{} and {} more", shown, rest) if rest else shown


def status_of(cluster: Cluster) -> SafeString:
    """What the cluster says of itself, unless it has been silent for three heartbeats."""
    ended = cluster.status in (ClusterStatus.STOPPED, ClusterStatus.LOST)
    silent = timezone.now() - cluster.heartbeat_at
    if not ended and silent > SILENT_AFTER * conf.HEARTBEAT:
        return display.badge("lost", f"Silent for {display.duration(silent, coarse=True)}")
    shown = display.state_badge(cluster.status, ClusterStatus)
    if not ended and cluster.restart_requested_at:
        return format_html("{} {}", shown, display.badge("stopping", "restart requested"))
    return shown


def status_of_worker(worker: Worker) -> SafeString:
    """Whether it ended and how, or what its cluster's heartbeat says."""
    if worker.stopped_at:
        return display.badge("stopped", worker.exit or "Ended")
    if worker.cluster is not None:
        return status_of(worker.cluster)
    return display.badge("running", "Running")
