"""How commands list failure groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from jobs import queue_names, registry
from jobs.conf import settings as conf
from jobs.failures import patterns
from jobs.management.output import moment, plain
from jobs.models import FailedJob, FailureGroup
from jobs.models.failure_group import FailureGroupQuerySet

HEADINGS = (
    "fingerprint", "status", "count", "24 h", "error", "message", "place", "queues", "first",
    "last",
)  # fmt: skip


def matching(options: Mapping[str, Any]) -> tuple[FailureGroupQuerySet, str]:
    """The groups that the options name, the one that failed last first, and the same in words.

    Raises UnknownQueue and UnknownDefinition for names that no failed job has either.
    """
    rows = FailureGroup.objects.using(conf.DATABASE).all()
    failed = FailedJob.objects.using(conf.DATABASE)
    words = []
    if status := options.get("status"):
        rows = rows.standing(status, timezone.now())
        words.append(f"that are {status}")
    if queue := options.get("queue"):
        found = failed.filter(queue=queue)
        if not found.exists():
            queue_names.resolve(queue)
        rows = rows.filter(pk__in=found.values("fingerprint"))
        words.append(f"with failed jobs of the queue {queue}")
    if definition := options.get("definition"):
        found = failed.filter(definition=definition)
        if not found.exists():
            registry.get(definition)
        rows = rows.filter(pk__in=found.values("fingerprint"))
        words.append(f"with failed jobs of {definition}")
    if since := options.get("since"):
        rows = rows.filter(last_seen__gte=since)
        words.append(f"that failed since {moment(since)}")
    return rows, " ".join(["failure groups", *words])


def told(groups: list[FailureGroup]) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
    """The groups as JSON, and as the lines of a table."""
    fingerprints = [group.pk for group in groups]
    trends, queues = patterns.trends(fingerprints), patterns.queues_of(fingerprints)
    now = timezone.now()
    data, lines = [], []
    for group in groups:
        trend, standing = trends[group.pk], group.standing(now)
        on = queues[group.pk] or [group.queue]
        data.append({**summary(group), "status": str(standing), "trend": trend.counts})
        data[-1]["queues"] = on
        lines.append(
            (
                group.pk, standing, group.count, trend.amount, group.short_exception,
                group.message, group.site, on, group.first_seen, group.last_seen,
            )
        )  # fmt: skip
    return data, lines


def summary(group: FailureGroup) -> dict[str, Any]:
    """What is known of a group, as JSON."""
    names = (
        "fingerprint", "status", "count", "exception_class", "message", "site", "definition",
        "queue", "release", "first_seen", "last_seen", "reopened", "muted_until", "resolved_at",
        "resolved_by", "note",
    )  # fmt: skip
    facts: dict[str, Any] = plain({name: getattr(group, name) for name in names})
    return facts
