"""Job definitions that are unique, for their tests."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group

from jobs import Debounce, Unique, UniqueUntilStart, current_job, job

ran: list[Any] = []


@job(middleware=[Unique()])
def only_one(number: int, note: str = "") -> None:
    ran.append((number, note))


@job(middleware=[Unique(["number"], on_conflict="replace")])
def newest_note(number: int, note: str) -> None:
    ran.append((number, note))


@job(middleware=[Unique(["number"], on_conflict="reschedule")])
def moved(number: int) -> None:
    ran.append(number)


@job(middleware=[Unique(lambda number: number, on_conflict="raise")])
def refused(number: int) -> None:
    ran.append(number)


@job(middleware=[UniqueUntilStart()])
def until_start(number: int) -> None:
    if not ran:
        ran.append(until_start.enqueue(number).id)
    else:
        ran.append(number)


@job(middleware=[Unique(period=3600)])
def once_an_hour(number: int) -> None:
    ran.append(number)


@job(middleware=[Unique(shared="import")])
def imports_fully(source: str) -> None:
    ran.append(f"fully {source}")


@job(middleware=[Unique(shared="import")])
def imports_partly(source: str) -> None:
    ran.append(f"partly {source}")


@job(middleware=[Debounce(60, longest=150)])
def reindexes(version: int) -> None:
    ran.append(version)


@job(middleware=[Unique()])
def of_a_group(group: Group) -> None:
    ran.append(group.pk)


@job(middleware=[Unique()], max_attempts=2, backoff=3600)
def fails_first() -> None:
    running = current_job()
    assert running is not None
    if running.attempt == 1:
        raise ValueError("once")
