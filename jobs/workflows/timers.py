"""The job of a timer: it waits as any scheduled job does, and its end goes on with the workflow."""

from __future__ import annotations

from jobs.definitions import job


@job(internal=True)
def elapsed() -> None:
    """The wait of a timer is over."""
