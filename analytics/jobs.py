"""What the workers do for analytics, and for the site's upkeep."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth import get_user_model

from analytics.maintenance import delete_orphans, optimize_tables
from analytics.periods import Span, closed_span, day_named, period_named, span_of
from analytics.rollup import roll_up, roll_up_user
from jobs import job
from jobs.metrics import health

logger = logging.getLogger(__name__)


def _span(period: str, date: str | None) -> Span:
    named = period_named(period)
    return closed_span(named) if date is None else span_of(named, day_named(date))


def _is_transient(error: BaseException) -> bool:
    return not isinstance(error, ValueError)


@job(
    queue_name="analytics",
    max_attempts=3,
    backoff=[60, 300, 900],
    timeout=900,
    should_retry=_is_transient,
    tags=lambda period="daily", date=None: [f"period:{period}"],
)
def generate_analytics(period: str = "daily", date: str | None = None) -> dict[str, Any]:
    """Add up a period for all users and for each: `daily`, `weekly` or `monthly`.

    `date` is any day of it, as 2025-03-24; without it the period just closed is meant.
    """
    return roll_up(_span(period, date))


@job(
    queue_name="analytics",
    max_attempts=3,
    backoff=[60, 300, 900],
    timeout=900,
    should_retry=_is_transient,
    tags=lambda user_id, period="monthly", date=None: [f"user:{user_id}"],
)
def generate_user_analytics(
    user_id: int, period: str = "monthly", date: str | None = None
) -> dict[str, Any]:
    """Add up a period for one user. A user who is gone is passed over."""
    span = _span(period, date)
    if not get_user_model()._default_manager.filter(pk=user_id).exists():
        return {"user": user_id, "found": False}
    return roll_up_user(user_id, span)


@job(queue_name="low", max_attempts=2, backoff=[600], timeout=3600)
def optimize_database() -> dict[str, Any]:
    """Optimise and analyse the tables that grow, then delete orphaned records."""
    return {**optimize_tables(), "orphans": delete_orphans()}


@job(queue_name="low", max_attempts=3, backoff=[60, 300, 900], timeout=900)
def cleanup_orphaned_records() -> dict[str, Any]:
    """Delete messages without a conversation and user analytics without a user."""
    return delete_orphans()


@job(queue_name="high", timeout=60)
def health_check() -> dict[str, Any]:
    """Check database, cache, queues, clusters and failed jobs, and keep what was found.

    It succeeds whatever it finds, and logs a warning: a failed job for each finding would only
    add to what is wrong.
    """
    report = health.check()
    if not report.healthy:
        logger.warning("The site is unhealthy: %s", "; ".join(report.issues))
    return report.as_json()
