"""Cluster, worker and lease: who is alive, and who leads."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from jobs.models.states import ClusterStatus


class ClusterQuerySet(models.QuerySet["Cluster"]):
    """Which clusters."""

    def active(self) -> ClusterQuerySet:
        """Not known to have ended."""
        return self.exclude(status__in=(ClusterStatus.STOPPED, ClusterStatus.LOST))

    def heard_since(self, moment: dt.datetime) -> ClusterQuerySet:
        return self.active().filter(heartbeat_at__gte=moment)

    def silent_since(self, moment: dt.datetime) -> ClusterQuerySet:
        """Should be alive, but has not said so since `moment`."""
        return self.active().filter(heartbeat_at__lt=moment)


class Cluster(models.Model):
    """One `manage.py qcluster` on one host; its heartbeat is the lease of what its workers run."""

    id = models.UUIDField(primary_key=True, editable=False)
    name = models.CharField(max_length=100)
    pool = models.CharField(max_length=64, default="default")
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    status = models.CharField(
        max_length=8, choices=ClusterStatus.choices, default=ClusterStatus.STARTING
    )
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    stopped_at = models.DateTimeField(null=True, blank=True)
    restart_requested_at = models.DateTimeField(null=True, blank=True)
    queues = models.JSONField(default=list, help_text="In the order in which they are served.")
    processes = models.PositiveIntegerField(default=0)
    reincarnations = models.PositiveIntegerField(
        default=0, help_text="Workers that were replaced after an unexpected end."
    )
    version = models.CharField(max_length=100, blank=True)
    release = models.CharField(
        max_length=100, blank=True, db_default="", help_text="The site's JOBS_RELEASE."
    )

    objects = ClusterQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = (("restart_cluster", "Can restart clusters"),)
        ordering = ("-started_at",)
        indexes = (
            # Not by heartbeat: an indexed column would cost each beat a new entry in every index.
            models.Index("status", name="jobs_cluster_status"),
            models.Index(F("started_at").desc(), name="jobs_cluster_started"),
        )

    def __str__(self) -> str:
        return f"{self.name} on {self.host}"


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Which workers."""

    def alive(self) -> WorkerQuerySet:
        """Not known to have ended, in a cluster that is not known to have ended."""
        return self.filter(stopped_at__isnull=True).exclude(
            cluster__status__in=(ClusterStatus.STOPPED, ClusterStatus.LOST)
        )


class Worker(models.Model):
    """One process that claims and runs jobs."""

    cluster = models.ForeignKey(
        Cluster, null=True, on_delete=models.CASCADE, related_name="workers"
    )
    pool = models.CharField(max_length=64, default="default")
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    stopped_at = models.DateTimeField(null=True, blank=True)
    exit = models.CharField(
        max_length=100, blank=True, help_text="Such as: recycled after 500 jobs, signal 9."
    )
    unknown_definitions = models.JSONField(
        default=list, help_text="Definitions of waiting jobs that this worker's code does not know."
    )

    objects = WorkerQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        ordering = ("-id",)
        indexes = (
            models.Index("cluster", name="jobs_worker_alive", condition=Q(stopped_at__isnull=True)),
            models.Index("stopped_at", name="jobs_worker_stopped"),
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Lease(models.Model):
    """A task that only one cluster does at a time, held until `expires_at` unless renewed."""

    name = models.CharField(max_length=50, primary_key=True)
    holder = models.UUIDField()
    expires_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"
