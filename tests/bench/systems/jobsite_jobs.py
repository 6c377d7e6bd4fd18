"""The benchmark's job definitions."""

from __future__ import annotations

from jobs import job
from tests.bench import work


@job
def noop(number: int) -> None:
    work.noop(number)


@job
def write(number: int) -> None:
    work.write_with_django(number)
