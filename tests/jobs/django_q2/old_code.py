"""Functions as django-q2 projects have them: plain ones, called by their dotted path."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection, connections, transaction

from jobs import job

calls: list[Any] = []
"""What ran in this process."""


def multiply(x: int, y: int = 1) -> int:
    calls.append((x, y))
    return x * y


def note(*args: Any, **kwargs: Any) -> None:
    calls.append((args, kwargs))


def echo(value: Any) -> Any:
    return value


def fail(text: str = "no such luck") -> None:
    calls.append(text)
    raise ValueError(text)


def fail_until(count: int) -> str:
    calls.append("tried")
    if calls.count("tried") < count:
        raise ValueError(f"attempt {calls.count('tried')}")
    return "at last"


def moment(value: Any = None) -> dt.datetime:
    return dt.datetime(2026, 1, 31, tzinfo=dt.UTC)


def rename(group: Group, name: str) -> str:
    former = group.name
    group.name = name
    group.save()
    return former


def nap(seconds: float) -> str:
    time.sleep(seconds)
    return "rested"


def leave_a_transaction_open() -> str:
    transaction.set_autocommit(False)
    Group.objects.create(name="never committed")
    return "left"


def lose_the_connection(seconds: float) -> str:
    """Outlive the connection, as a long call does where the server closes idle ones."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    other = connections.create_connection(connection.alias)
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()
    time.sleep(seconds)
    return "outlived"


def leave() -> None:
    raise SystemExit(3)


async def whisper(word: str) -> str:
    return word.lower()


def hook(task: Any) -> None:
    calls.append(("hook", task.id, task.success, task.result))


def bad_hook(task: Any) -> None:
    calls.append("bad hook")
    raise RuntimeError("hooks can fail too")


def append_line(file: str, line: str) -> None:
    """For calls in other processes."""
    with Path(file).open("a") as lines:
        lines.write(f"{line}\n")


def die_once(file: str) -> str:
    """Kill this very process at the first call."""
    with contextlib.suppress(FileExistsError):
        Path(file).touch(exist_ok=False)
        os._exit(9)
    return "survived"


def hold_once(file: str) -> str:
    """Take a minute at the first call, and no time at another."""
    with contextlib.suppress(FileExistsError):
        Path(file).touch(exist_ok=False)
        time.sleep(60)
    return "held again"


class Words:
    @staticmethod
    def count(text: str) -> int:
        return len(text.split())

    @classmethod
    def named(cls) -> str:
        return cls.__name__

    def method(self) -> None: ...


def maker() -> Callable[[], None]:
    def inner() -> None: ...

    return inner


@job
def new_style(word: str) -> str:
    """A job definition, still called by old code."""
    return word.upper()
