"""What follows a telephone call: five steps in a row; and a batch of single items."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from jobs import batch, chain, job
from jobs.workflows.handles import WorkflowHandle

logger = logging.getLogger(__name__)

Facts = dict[str, Any]

DONE: list[str] = []
"""Stands for what your services have done."""


@job(queue_name="critical")
def extract(call_id: int) -> Facts:
    """What was said, as facts."""
    return {"call": call_id, "phone": f"+49 30 {call_id}"}


@job(queue_name="critical")
def identify_customer(facts: Facts) -> Facts:
    return {**facts, "customer": f"customer of {facts['phone']}"}


@job(queue_name="critical")
def create_appointment(facts: Facts) -> Facts:
    DONE.append(f"appointment for {facts['customer']}")
    return {**facts, "appointment": 1}


@job(queue_name="notifications")
def send_confirmation(facts: Facts) -> Facts:
    DONE.append(f"confirmed to {facts['phone']}")
    return facts


@job(queue_name="analytics")
def update_analytics(facts: Facts) -> None:
    DONE.append(f"counted call {facts['call']}")


def follow_up(call_id: int) -> WorkflowHandle:
    """Enqueue all that follows a call. Each step gets what the one before has found."""
    return chain(
        extract.s(call_id),
        identify_customer.s(),
        create_appointment.s(),
        send_confirmation.s(),
        update_analytics.s(),
        pass_results=True,
        name=f"call {call_id}",
    ).enqueue()


@job
def process_item(item: str) -> None:
    if not item:
        raise ValueError("an empty item")
    DONE.append(item)


@job
def log_end(batch_id: str = "") -> None:
    logger.info("batch %s is done", batch_id)


@job
def log_failure(batch_id: str = "", failed_job_id: str | None = None) -> None:
    logger.error("batch %s: job %s has failed", batch_id, failed_job_id)


@job(queue_name="low")
def clean_up(batch_id: str = "") -> None:
    DONE.append("cleaned up")


def process_items(items: Sequence[str]) -> WorkflowHandle:
    """Process each item in a job of its own, and clean up whatever came of them."""
    return batch(
        [process_item.s(item) for item in items],
        name="items",
        then=log_end.s(),
        catch=log_failure.s(),
        finally_=clean_up.s(),
    ).enqueue()
