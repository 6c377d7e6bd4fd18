"""Where a secret could have come to light: the whole database, and what was logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from tests.jobs.admin.conftest import boss, browser_of  # noqa: F401 - fixtures
from tests.jobs.commands.conftest import run  # noqa: F401 - a fixture
from tests.jobs.privacy import secret_jobs
from tests.jobs.privacy.secret_jobs import CORE, SECRET_NUMBER

LOUD = ("django_tasks", "django.tasks", "django-q", "jobs", "django.db.backends")


@pytest.fixture
def calls() -> Iterator[list[Any]]:
    """What the jobs got."""
    secret_jobs.calls.clear()
    yield secret_jobs.calls
    secret_jobs.calls.clear()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """All that any logger says, SQL with its parameters included, as text with tracebacks."""
    loggers = [logging.getLogger(name) for name in LOUD]
    caplog.set_level(logging.DEBUG)
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        if not logger.propagate:
            logger.addHandler(caplog.handler)
    connection.force_debug_cursor = True
    yield lambda: caplog.text
    connection.force_debug_cursor = False
    for logger, level, propagates in before:
        logger.setLevel(level)
        if not propagates:
            logger.removeHandler(caplog.handler)


@contextmanager
def quietly() -> Iterator[None]:
    """Let the SQL of the block go unlogged: a test's own that has a secret in it."""
    before, connection.force_debug_cursor = connection.force_debug_cursor, False
    yield
    connection.force_debug_cursor = before


def stored() -> str:
    """Every column of every row of every table, as text."""
    texts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            texts += [f"{table}: {row!r}" for row in cursor.fetchall()]
    return "\n".join(texts)


def secrets_in(text: str) -> list[str]:
    """The lines with a secret in them."""
    return [line for line in text.splitlines() if CORE in line or SECRET_NUMBER in line]
