"""Jobs that do their work in steps."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group

from jobs import current_job, job, steps

done: list[Any] = []
"""What was done, in this process."""
breaks: set[Any] = set()
"""At what a job raises, once."""
stops: set[Any] = set()
"""At what a job's worker is told to stop, once."""
stopping = False


class Broken(Exception):
    """What was to be broken."""


def do(what: Any) -> Any:
    global stopping
    if what in breaks:
        breaks.remove(what)
        raise Broken(what)
    if what in stops:
        stops.remove(what)
        stopping = True
    done.append(what)
    return {"did": what}


@job(max_attempts=3, backoff=0)
def builds(names: list[str]) -> Any:
    work = steps()
    prepared = work.once("prepare", do, "prepare")
    for name in work.each("build", names, total=len(names)):
        do(name)
    return [prepared, work.once("publish", do, "publish")]


@job(max_attempts=3, backoff=0)
def visits(by: str = "pk") -> None:
    for group in steps().each("visit", Group.objects.exclude(name="out"), by=by):
        do(group.name)


@job(max_attempts=3, backoff=0)
def counts(last: int) -> None:
    def after(cursor: int | None) -> range:
        return range((cursor or 0) + 1, last + 1)

    for number in steps().each("count", after, by=lambda number: number):
        do(number)


@job(max_attempts=3, backoff=0)
def pages() -> None:
    work = steps()
    token = work.cursor("fetch", "a")
    while token:
        do(token)
        token = {"a": "b", "b": "c", "c": ""}[token]
        work.reach("fetch", token)


@job
def misuses(how: str) -> None:
    work = steps()
    match how:
        case "twice":
            work.once("same", do, 1)
            work.once("same", do, 2)
        case "name":
            work.once("", do, 1)
        case "items":
            list(work.each("x", {1, 2}))  # type: ignore[call-overload]
        case "by":
            list(work.each("x", lambda cursor: [1]))  # type: ignore[call-overload]
        case "place":
            list(work.each("x", [1], by="pk"))  # type: ignore[call-overload]
        case "large":
            work.once("x", lambda: "x" * 70_000)
        case "json":
            work.once("x", object)


@job(sensitive=["secret"])
def tells(secret: str, with_it: bool) -> None:
    steps().once("say", lambda: f"it is {secret}" if with_it else "nothing")


@job(max_attempts=2)
def is_taken_over() -> None:
    from jobs.models import Job

    running = current_job()
    assert running is not None
    work = steps()
    Job.objects.filter(pk=running.id).update(fence=running.fence + 1)
    work.once("late", do, "late")
    do("never")
