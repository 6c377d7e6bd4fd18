"""The two jobs as tasks of Django's framework."""

from __future__ import annotations

from tests.bench import work

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task


@task
def noop(number: int) -> None:
    work.noop(number)


@task
def write(number: int) -> None:
    work.write(number)
