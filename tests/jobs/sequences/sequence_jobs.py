"""Jobs that run one after the other."""

from __future__ import annotations

import time
from typing import Any

from jobs import InSequence, job

ran: list[Any] = []
"""What ran in this process."""


class Broken(Exception):
    """Does not work."""


@job(middleware=[InSequence(["account"])], max_attempts=2, backoff=60)
def books(account: str, number: int) -> int:
    ran.append((account, number))
    if number < 0:
        raise Broken(number)
    return number


@job(middleware=[InSequence(lambda account: account, shared="money")])
def pays(account: str) -> None:
    ran.append(("pays", account))


@job(middleware=[InSequence(lambda account: account, shared="money")])
def refunds(account: str) -> None:
    ran.append(("refunds", account))


@job(middleware=[InSequence()])
def all_in_line(number: int) -> None:
    ran.append(number)


@job(middleware=[InSequence(["account"])])
def notes(account: str, number: int, path: str) -> None:
    """Append the number to a file, after a moment in which another could come before."""
    time.sleep(0.002)
    with open(path, "a") as file:
        file.write(f"{account} {number}\n")
