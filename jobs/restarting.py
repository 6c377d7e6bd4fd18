"""Asks clusters to start anew, with the code that is there then."""

from __future__ import annotations

from django.db import transaction
from django.db.models.functions import Now

from jobs import audit
from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.models import Cluster
from jobs.models.worker import ClusterQuerySet


def request_restart(clusters: ClusterQuerySet, actor: Actor, reason: str = "") -> int:
    """Ask these clusters, where they have not ended, to restart; return how many were asked.

    A cluster sees it with its next heartbeat: it stops claiming, lets its jobs finish within the
    grace and gives back the rest. One that was asked already is not asked again. One audit entry,
    unless none was asked.
    """
    with transaction.atomic(using=conf.DATABASE):
        rows = clusters.using(conf.DATABASE).active().filter(restart_requested_at__isnull=True)
        names = {row.pk: str(row) for row in rows.order_by("pk").select_for_update()}
        asked = Cluster.objects.using(conf.DATABASE).filter(pk__in=list(names))
        asked.update(restart_requested_at=Now())
        if names:
            target = ", ".join(names.values())
            ids = [str(pk) for pk in names]
            audit.record(actor, "restart", target, len(names), after={"ids": ids}, reason=reason)
    return len(names)
