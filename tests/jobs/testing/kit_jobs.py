"""Job definitions, and functions for `async_task`, for the tests of the test kit."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from jobs import current_job, job
from jobs.compat import TaskContext, task
from jobs.execution.context import CurrentJob

ran: list[Any] = []
"""What ran in this process."""


class Broken(Exception):
    """What these jobs raise."""


def running() -> CurrentJob:
    found = current_job()
    assert found is not None
    return found


@job
def note(what: str, times: int = 1) -> str:
    ran.append(what)
    return what * times


@job(queue_name="webhooks", priority=20, tags=lambda event: ["webhook", f"webhook:{event}"])
def webhook(event: int, *, dry: bool = False) -> None:
    ran.append(event)


@job
def rename(group: Group, name: str = "renamed") -> str:
    group.name = name
    group.save()
    return f"{group.pk}"


@job
async def counts(name: str) -> int:
    running().progress(1, 2)
    return await Group.objects.filter(name=name).acount()


@task
def shouts(word: str) -> str:
    return word.upper()


@task(takes_context=True)
def tells_its_attempt(context: TaskContext) -> int:
    return context.attempt


@job(max_attempts=3, backoff=[60, 120])
def fails_until(attempt: int) -> int:
    ran.append(running().attempt)
    if running().attempt < attempt:
        raise Broken(f"attempt {running().attempt}")
    return running().attempt


@job(max_attempts=2, backoff=0)
def fails_at_first() -> str:
    if running().attempt == 1:
        raise Broken("the first time")
    return "in the end"


def remember(error: BaseException) -> None:
    ran.append(str(error))


@job(on_failure=remember)
def fails() -> None:
    raise Broken("no")


@job(max_attempts=2)
def releases(seconds: float) -> None:
    running().release(seconds)


@job(discard_on=(Broken,))
def discards() -> None:
    raise Broken("never mind")


@job
def is_interrupted() -> None:
    raise KeyboardInterrupt


@job(timeout=0.05)
def takes_long() -> None:
    while True:
        pass


@job
def sleeps(seconds: float) -> None:
    time.sleep(seconds)


@job
def reports() -> dict[str, Any]:
    running().progress(1, 2)
    running().progress(2, 2, "done")
    running().log("half way", level="warning")
    return {"stopped": running().should_stop()}


@job
def enqueues(*words: str) -> None:
    for word in words:
        note.enqueue(word)


@job
def enqueues_on_commit(word: str, fail: bool = False) -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: note.enqueue(word))
        if fail:
            raise Broken("rolled back")


@job
def enqueues_itself() -> None:
    enqueues_itself.enqueue()


@job
def breaks_the_transaction(by_hand: bool = False) -> None:
    """Fail as only a database does, and leave a row behind where nothing surrounds the job."""
    note.enqueue("lost")
    if by_hand:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM there_is_no_such_table")
    for _ in range(2):
        Group.objects.create(name="twice")


@job
def tells_the_time() -> list[str]:
    ((told,),) = Group.objects.values_list(Now())[:1]
    return [moment.astimezone(dt.UTC).isoformat() for moment in (timezone.now(), told)]


def old_function(number: int, word: str = "") -> str:
    ran.append(number)
    return word * number
