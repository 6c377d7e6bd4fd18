"""Job definitions that do their work once, for their tests."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group

from jobs import Idempotent, current_job, job

ran: list[Any] = []


@job(middleware=[Idempotent(lambda event: event)])
def handles(event: str) -> str:
    ran.append(event)
    return f"handled {event}"


@job(middleware=[Idempotent(lambda event: event)], max_attempts=2, backoff=0)
def handles_at_the_second_try(event: str) -> None:
    running = current_job()
    assert running is not None
    ran.append(running.attempt)
    if running.attempt == 1:
        raise ValueError("once")


@job(middleware=[Idempotent(lambda name: name, atomic=True)], max_attempts=2, backoff=0)
def makes_group(name: str) -> None:
    running = current_job()
    assert running is not None
    Group.objects.create(name=f"{name} {running.attempt}")
    if running.attempt == 1:
        raise ValueError("after it has written")
