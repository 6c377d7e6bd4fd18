"""The benchmark's job definitions."""

from __future__ import annotations

import time

from django.db import connection

from jobs import job
from tests.bench import work


@job
def noop(number: int) -> None:
    work.noop(number)


@job
def write(number: int) -> None:
    if connection.vendor == "postgresql":
        work.write(number)
    else:
        work.write_with_django(number)


@job
def sleep(seconds: float) -> None:
    time.sleep(seconds)
