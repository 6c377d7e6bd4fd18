"""Which tenants wait in a shared queue, how much, how long, and with what share of it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.metrics.counting import BoundedCount, bounded_counts
from jobs.models import Job, TenantShare
from jobs.tenants import shares

SHOWN = 100
"""Waiting tenants of each queue that are told of."""
COUNTED = 1000
"""Waiting jobs of each tenant that are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantFacts:
    """A tenant that has jobs ready or running on a shared queue."""

    queue: str
    tenant: str
    weight: int
    share: float | None
    """The part of the queue that it gets now, 0 to 1: its weight among those who wait, of whom the
    first 100 are known. None if it does not wait."""
    ready: BoundedCount
    running: int
    wait: dt.timedelta | None
    """How long its next job has been ready."""


def tenants(queue: str = "") -> list[TenantFacts]:
    """Who shares these queues now: one queue, or all of JOBS_FAIR_QUEUES; the longest first.

    Raises InvalidOption for a queue that is not shared.
    """
    shares.check_queue(queue)
    queues = [queue] if queue else sorted(conf.FAIR_QUEUES)
    return [facts for name in queues for facts in _on(name)]


def _on(queue: str) -> list[TenantFacts]:
    book = ledger()
    first = book.waiting_tenants(queue, SHOWN)
    since = _ready_since(list(first.values()))
    running = _running(queue)
    weights = _weights(queue)
    waiting = {
        tenant: Job.objects.using(conf.DATABASE).ready().on_queues([queue]).of_tenant(tenant)
        for tenant in first
    }
    ready = bounded_counts(waiting, COUNTED) if waiting else {}
    whole, now = sum(weights.get(tenant, 1) for tenant in first), book.now()
    found = []
    for tenant in sorted({*first, *running}):
        moment = since.get(first[tenant]) if tenant in first else None
        found.append(
            TenantFacts(
                queue=queue,
                tenant=tenant,
                weight=weights.get(tenant, 1),
                share=weights.get(tenant, 1) / whole if tenant in first else None,
                ready=ready.get(tenant, BoundedCount(0)),
                running=running[tenant],
                wait=max(now - moment, dt.timedelta(0)) if moment else None,
            )
        )
    return sorted(found, key=lambda facts: (-facts.ready, facts.tenant))


def _ready_since(ids: Sequence[UUID]) -> dict[UUID, dt.datetime]:
    rows = Job.objects.using(conf.DATABASE).filter(pk__in=ids)
    found = rows.order_by().values_list("pk", "enqueued_at", "due_at")
    return {key: max(enqueued, due or enqueued) for key, enqueued, due in found}


def _running(queue: str) -> Counter[str]:
    rows = Job.objects.using(conf.DATABASE).running().filter(queue=queue).exclude(tenant="")
    return Counter(rows.order_by().values_list("tenant", flat=True)[: 10 * COUNTED])


def _weights(queue: str) -> dict[str, int]:
    """By tenant; what is said of this queue comes before what is said of all."""
    rows = TenantShare.objects.using(conf.DATABASE).filter(queue__in=("", queue))
    return dict(rows.order_by("queue").values_list("tenant", "weight"))
