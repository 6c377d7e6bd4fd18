"""Snoozing: a job or a breaker that lets a whole queue, or all jobs with a tag, wait for a time."""

from __future__ import annotations

import datetime as dt

from jobs.exceptions import InvalidOption


def checked_wait(seconds: float | dt.timedelta) -> dt.timedelta:
    """Raises InvalidOption for a time that is not positive."""
    wait = seconds if isinstance(seconds, dt.timedelta) else dt.timedelta(seconds=seconds)
    if wait <= dt.timedelta(0):
        raise InvalidOption("seconds", seconds, "must be positive")
    return wait


def snooze_queue(queue: str, by: str, wait: dt.timedelta, reason: str) -> None:
    """Pause a queue for so long unless it is paused for longer. `by` goes to the audit log."""
    from jobs import pausing
    from jobs.audit import Actor
    from jobs.ledger import ledger

    until = ledger().now() + wait
    pausing.pause(queue, Actor.of_code(by), until, reason, only_longer=True)


def snooze_tag(tag: str, by: str, wait: dt.timedelta, reason: str) -> None:
    """Pause a tag for so long unless it is paused for longer. `by` goes to the audit log."""
    from jobs import tag_pausing
    from jobs.audit import Actor
    from jobs.ledger import ledger

    until = ledger().now() + wait
    tag_pausing.pause(tag, Actor.of_code(by), until, reason, only_longer=True)
