"""What a reason is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remedy:
    """What mends it, or shows more: a page of the admin, and who may use it there."""

    label: str
    page: str
    """Name of the address in the admin's namespace, such as `jobs_queue_resume`."""
    arguments: tuple[str, ...] = ()
    permission: str = ""
    """The permission of the engine that it takes, such as `jobs.pause_queue`."""
    command: str = ""
    """The same at the shell, without `manage.py`."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a job, or the jobs of a queue, do not run."""

    code: str
    """A word for programs, such as `queue_paused`."""
    text: str
    """A sentence for people."""
    is_in_order: bool = False
    """Whether all is as it should be, so that there is nothing to mend: it runs, has ended, or
    waits for its time or turn."""
    remedies: tuple[Remedy, ...] = ()
