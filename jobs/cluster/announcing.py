"""Announcing: what the sentinel sees, told to django-q2's `qinfo` and `qmonitor` and to the log."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from jobs.cluster.identity import Identity
from jobs.cluster.mailbox import Message

STAT_EVERY = 2.0
"""Seconds; django-q2 keeps a Stat for three."""

logger = logging.getLogger("jobs.cluster")


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int


class _Queue:
    """Nothing waits between our sentinel and its workers: each claims for itself."""

    @staticmethod
    def qsize() -> int:
        return 0


class SentinelFacts:
    """Has the attributes of a sentinel that `django_q.status.Stat` reads."""

    result_queue = task_queue = _Queue

    def __init__(self, identity: Identity, broker: Any, message: Message, clock: int) -> None:
        self.parent_pid = identity.pid
        self.cluster_id: UUID = identity.id
        self.broker = broker
        self.tob = dt.datetime.fromisoformat(message["born"])
        self.pid: int = message["sentinel"]
        self.reincarnations: int = message["reincarnations"]
        self.pool = [_Process(pid) for pid in message["workers"]]
        self.monitor = self.pusher = _Process(clock)
        self._status: str = message["status"]

    def status(self) -> Any:
        from django_q.conf import Conf

        return getattr(Conf, self._status.upper())


class Announcer(threading.Thread):
    """A thread for what may take long, or fail, and must not hold up anything else: the cache that
    django-q2 keeps its statuses in, and the site's log handlers."""

    def __init__(self, identity: Identity, clock: int) -> None:
        super().__init__(name="announcer", daemon=True)
        self._identity = identity
        self._clock = clock
        self._facts: Message | None = None
        self._lines: deque[Message] = deque()
        self._news = threading.Event()
        self._stopping = False
        self._broker: Any = None
        self._broker_failed = False

    def facts(self, message: Message) -> None:
        """What the sentinel sees now, which differs from what it saw before."""
        self._facts = message
        self._news.set()

    def line(self, message: Message) -> None:
        """A line for the log."""
        self._lines.append(message)
        self._news.set()

    def stop(self) -> None:
        """Say the last things and end."""
        self._stopping = True
        self._news.set()

    def run(self) -> None:
        while not self._stopping:
            self._news.wait(STAT_EVERY)
            self._news.clear()
            self._write_lines()
            self._save_stat()
        self._write_lines()

    def _write_lines(self) -> None:
        while self._lines:
            line = self._lines.popleft()
            logger.log(line["level"], "%s", line["text"])

    def _save_stat(self) -> None:
        from django_q.status import Stat

        message = self._facts
        if message is None or (broker := self._get_broker()) is None:
            return
        # It logs the cache's errors itself.
        Stat(SentinelFacts(self._identity, broker, message, self._clock)).save()

    def _get_broker(self) -> Any:
        """The broker that `qinfo` reads from, whatever the site has configured."""
        from django_q.brokers import get_broker

        if self._broker is None and not self._broker_failed:
            try:
                self._broker = get_broker()
            except Exception:
                # Its own settings are wrong: no reason for jobs not to run.
                self._broker_failed = True
                logger.warning("django-q2's broker is not usable; no qinfo", exc_info=True)
        return self._broker
