"""Webhooks: each event handled once, at the pace of the service that sends them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from jobs import CurrentJob, Idempotent, RateLimited, WithoutOverlapping, job

logger = logging.getLogger(__name__)


class Throttled(Exception):
    """The API says that it was asked too often."""

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(f"retry after {retry_after:g} s")


class ServiceDown(Exception):
    """The API does not answer."""


class BadData(Exception):
    """The event makes no sense, and will make none tomorrow."""


def by_kind_of_error(job: CurrentJob, proceed: Callable[[], Any]) -> Any:
    """Wait as long as the API says, or longer each time while it is down; give up on bad data."""
    try:
        return proceed()
    except Throttled as error:
        job.release(error.retry_after)
    except ServiceDown:
        job.release(job.attempt * 60)
    except BadData as error:
        logger.exception("event %s is not valid", job.call[0])
        job.fail(error)


EVENTS: dict[int, dict[str, Any]] = {}
"""Stands for your table of events, which are stored before anything else is done with them."""

BOOKINGS: dict[str, str] = {}
"""Stands for your bookings."""


def created(event: dict[str, Any]) -> None:
    BOOKINGS[event["booking"]] = event["at"]


def cancelled(event: dict[str, Any]) -> None:
    BOOKINGS.pop(event["booking"], None)


HANDLERS = {
    "booking.created": created,
    "booking.rescheduled": created,
    "booking.cancelled": cancelled,
}


@job(
    queue_name="webhooks",
    max_attempts=10,
    backoff=[5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200],
    middleware=[
        RateLimited("calcom-webhooks", "60/m"),
        WithoutOverlapping(lambda event_id: f"webhook:{event_id}"),
        Idempotent(lambda event_id: event_id),
        by_kind_of_error,
    ],
    tags=lambda event_id: ["calcom", f"webhook:{event_id}"],
)
def process_webhook(event_id: int) -> None:
    """Do what a stored event asks for."""
    event = EVENTS[event_id]
    handle = HANDLERS.get(event["type"])
    if handle is None:
        logger.warning("event %s is of the unknown type %s", event_id, event["type"])
        return
    handle(event)
    event["processed"] = True
