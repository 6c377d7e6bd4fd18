"""The operation on clusters: ask for a restart."""

from __future__ import annotations

from typing import Any

from django.contrib import messages

from jobs import restarting
from jobs.admin.operations import Operation, Order, Result, rows_by_name
from jobs.models import Cluster, ClusterStatus

ENDED = (ClusterStatus.STOPPED, ClusterStatus.LOST)


def _restart(rows: Any, order: Order) -> Result:
    count = restarting.request_restart(rows, order.actor, order.reason)
    noun = "cluster" if count == 1 else "clusters"
    return Result(
        f"Asked {count:,} {noun} to restart.", messages.SUCCESS if count else messages.WARNING
    )


def _ended(cluster: Cluster) -> str:
    return "This cluster has ended." if cluster.status in ENDED else ""


RESTART = Operation(
    name="restart",
    label="Restart",
    permission="restart",
    consequence="Its workers stop claiming, finish what they run within the grace, and the cluster "
    "starts anew with the code that is there then.",
    touches=rows_by_name,
    applicable=lambda rows: rows.active(),
    perform=_restart,
    refusal=_ended,
    selected=True,
    single=True,
)
