"""Job definitions for the tests of the engine."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import connection, transaction

from jobs import Recover, current_job, job
from jobs.compat import TaskContext, task
from jobs.models import Job

calls: list[Any] = []
"""What ran in this process."""


class Flaky(Exception):
    """Worth another try."""


class Hopeless(Exception):
    """Not worth another try."""


@job
def add(a: int, b: int = 0) -> int:
    """Add two numbers.

    a: the first
    b: the second
    """
    calls.append((a, b))
    return a + b


@task
def plain(word: str) -> str:
    return word.upper()


@task(takes_context=True)
def with_context(context: TaskContext) -> int:
    return context.attempt


@job
async def waits(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "awake"


@job(timeout=0.2)
async def waits_too_long(seconds: float = 30) -> None:
    await asyncio.sleep(seconds)


@job
def fails(message: str = "no") -> None:
    raise Hopeless(message)


@job(max_attempts=3, backoff=[0, 5])
def flaky(fail_until: int) -> int:
    running = current_job()
    assert running is not None
    if running.attempt < fail_until:
        raise Flaky(f"attempt {running.attempt}")
    return running.attempt


@job(max_attempts=5, retry_on=(Flaky,), backoff=0)
def retries_flaky_only(kind: Literal["flaky", "hopeless"]) -> None:
    raise Flaky("again") if kind == "flaky" else Hopeless("never")


@job(discard_on=(Flaky,))
def discards() -> None:
    raise Flaky("drop me")


@job(max_attempts=5, should_retry=lambda error: "again" in str(error), backoff=0)
def asks(message: str) -> None:
    raise Flaky(message)


@job(max_attempts=5, max_exceptions=2, backoff=0)
def releases_and_fails(release: bool) -> None:
    running = current_job()
    assert running is not None
    if release:
        running.release(0)
    raise Flaky("counts")


@job(timeout=0.1)
def busy() -> None:
    while True:
        time.sleep(0.01)


@job(timeout=0.1, max_attempts=3, fail_on_timeout=True)
def busy_and_final() -> None:
    while True:
        time.sleep(0.01)


@job
def leaves_the_process() -> None:
    raise SystemExit(3)


@job(max_attempts=9)
def gives_up(message: str) -> None:
    running = current_job()
    assert running is not None
    running.fail(Hopeless(message))


@job(discard_when_missing=True)
def greets_if_there(group: Group) -> str:
    return group.name


@job
def greets(group: Group) -> str:
    return group.name


def remember(error: BaseException) -> None:
    failed = current_job()
    assert failed is not None
    calls.append((type(error).__name__, str(error), failed.arguments["kwargs"]))


@job(on_failure=remember, max_attempts=2, backoff=0)
def tells(name: str) -> None:
    raise Hopeless(f"{name} failed")


@job(delivery="at_most_once")
def once_at_most() -> None:
    calls.append("once")


@job(tags=lambda event_id: ["webhook", f"webhook:{event_id}"], queue_name="webhooks", priority=20)
def tagged(event_id: int) -> None:
    calls.append(event_id)


@job(tags=lambda group: [f"group:{group.name}"])
def tagged_by_name(group: Group) -> None:
    calls.append(group.name)


@job(tags=lambda: {}["missing"])
def tagged_badly() -> None:
    calls.append("never")


@job
def returns(value: Any) -> Any:
    return {"set": {1}} if value == "set" else value


@job
def logs_and_reports() -> None:
    running = current_job()
    assert running is not None
    running.log("first line")
    running.progress(3, 10, "a third")


@job
def reports_in_a_transaction() -> Any:
    """Return the progress that others see while its transaction is open."""
    running = current_job()
    assert running is not None
    with transaction.atomic(), ThreadPoolExecutor(1) as elsewhere:
        Group.objects.create(name="uncommitted")
        running.progress(1, 2)
        return elsewhere.submit(_progress_of, running.id).result()


def _progress_of(job_id: UUID) -> Any:
    try:
        with transaction.atomic():
            # Would raise where the row is locked.
            return Job.objects.select_for_update(nowait=True).get(pk=job_id).progress
    finally:
        connection.close()


@job(max_attempts=5, backoff=0)
async def greets_later(name: str) -> str:
    return name


@job(max_attempts=9, backoff=lambda attempts, error: error.seconds * 100)
def waits_by_its_error() -> None:
    """Its back-off reads the error."""


@job(max_attempts=9, backoff=lambda attempts: {}[attempts])
def has_a_broken_backoff() -> None:
    """Its back-off raises."""


@job
def says(what: str, value: Any, level: str = "info") -> None:
    running = current_job()
    assert running is not None
    match what:
        case "log":
            running.log(value, level=level)
        case "progress":
            running.progress(float(value), message="a NUL: \x00")
        case "release":
            running.release(float(value))


@job
async def reports_from_a_loop() -> bool:
    running = current_job()
    assert running is not None
    running.progress(1, 2)
    running._looked -= 10
    return running.should_stop()


@job(backoff=lambda attempts: "soon", max_attempts=2)
def broken_policy() -> None:
    raise Flaky("the real one")


@job(recover=Recover(after=3600, at_most=2))
def recovers() -> None:
    raise Hopeless("not yet")


@job(recover=Recover(after=60, exceptions=(Flaky,)))
def recovers_flaky(kind: Literal["flaky", "hopeless"]) -> None:
    raise Flaky("again") if kind == "flaky" else Hopeless("never")
