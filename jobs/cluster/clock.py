"""Clock: the process of a cluster that talks to the database, so that the sentinel need not."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from jobs.cluster.announcing import Announcer
from jobs.cluster.deaths import Death
from jobs.cluster.duties import DEATHS, RELIEF, Duties
from jobs.cluster.identity import Identity, end_cluster, end_workers
from jobs.cluster.mailbox import Message, Receiver, Sender
from jobs.cluster.process import close_connections, set_title, settle
from jobs.cluster.pulse import Pulse
from jobs.cluster.session import CONNECTION_LOST, LedgerSession, ledger_connection
from jobs.cluster.ticker import Ticker
from jobs.cluster.wake import HasFileno, Wake

if TYPE_CHECKING:
    from jobs.cluster.vigil import Vigil
    from jobs.ledger import Ledger

T = TypeVar("T")

# A process manager may signal all processes of a service; the clock stays for the last word.
CLOCK_IGNORES = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
LAST_DEATHS = 5.0
"""Seconds for which a stopping clock tries to get the last deaths into the ledger."""
RETRY_BEAT = 0.3
LONGEST_WAIT = 1.0
"""Seconds between two signs of life to the sentinel."""

logger = logging.getLogger("jobs.cluster")


class Clock:
    """The main thread keeps the pulse and the correspondence with the sentinel. What may be slow
    has threads of its own: rescue, time, schedules, upkeep, bulk operations, announcements."""

    def __init__(
        self, identity: Identity, inbox: Receiver, outbox: Sender, vigil: Vigil, *, run_once: bool
    ) -> None:
        self._identity = identity
        self._inbox = inbox
        self._outbox = outbox
        self._vigil = vigil
        self._wake = Wake()
        self._pulse = Pulse(identity)
        self._session = LedgerSession(ledger_connection, pause=self._wake.wait)
        self._letters: deque[Message] = deque()
        self._duties = Duties(
            identity,
            self._pulse,
            confirm=lambda death: self._post({"kind": "buried", "number": death.number}),
            idle=(lambda: self._post({"kind": "idle"})) if run_once else None,
        )
        self._rescue = Ticker("rescue", self._duties.of_rescue(), connect=ledger_connection)
        self._others = [
            Ticker("time", self._duties.of_time(), connect=ledger_connection),
            Ticker("schedules", self._duties.of_schedules(), connect=ledger_connection),
            Ticker("upkeep", self._duties.of_upkeep()),
            Ticker("operations", self._duties.of_operations()),
        ]
        self._announcer = Announcer(identity, os.getpid())
        self._reincarnations = 0
        self._next_beat = 0.0
        self._stop_status = ""
        self._told: set[str] = set()

    def run(self) -> None:
        """Run until the sentinel says stop."""
        for thread in (self._rescue, *self._others, self._announcer):
            thread.start()
        while not self._stop_status:
            self._vigil.tick()
            self._beat_if_due()
            wait = min(self._next_beat - time.monotonic(), LONGEST_WAIT)
            self._wake.wait(wait, self._inbox)
            self._read()
            self._write()
        self._finish()

    def _read(self) -> None:
        for message in self._inbox.receive():
            match message["kind"]:
                case "death":
                    self._duties.deaths.append(Death.from_message(message))
                    self._rescue.poke(DEATHS)
                case "stuck":
                    self._duties.stuck.append(message["worker"])
                    self._rescue.poke(RELIEF)
                case "facts":
                    self._reincarnations = message["reincarnations"]
                    self._announcer.facts(message)
                case "line":
                    self._announcer.line(message)
                case "stopping":
                    self._try(lambda ledger: self._pulse.note_stopping())
                case "stop":
                    self._stop_status = message["status"]

    def _post(self, message: Message) -> None:
        """Have the main thread send this now. From any thread."""
        self._letters.append(message)
        self._wake.poke()

    def _write(self) -> None:
        while self._letters:
            self._outbox.post(self._letters.popleft())
        self._outbox.flush()

    def _beat_if_due(self) -> None:
        now = time.monotonic()
        if now < self._next_beat:
            return
        beat = self._try(lambda ledger: self._pulse.beat(ledger, self._reincarnations))
        if beat is None:
            self._next_beat = now + min(RETRY_BEAT, self._pulse.interval)
            return
        self._next_beat = now + self._pulse.interval
        if not beat.is_alive:
            self._tell("lost")
        elif beat.restart_requested:
            self._tell("restart")

    def _tell(self, kind: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._letters.append({"kind": kind})

    def _try(self, work: Callable[[Ledger], T]) -> T | None:
        try:
            return self._session.once(work)
        except CONNECTION_LOST as error:
            logger.warning("no heartbeat, the database does not answer: %s", error)
            return None

    def _finish(self) -> None:
        """Leave nothing behind that a later look would take for a crash."""
        deadline = time.monotonic() + LAST_DEATHS
        while self._duties.deaths and time.monotonic() < deadline:
            self._wake.wait(0.02)
        for ticker in (self._rescue, *self._others):
            ticker.stop()
        self._announcer.stop()
        self._rescue.join(1.0)
        self._try(self._sign_off)
        self._announcer.join(1.0)
        self._write()
        close_connections()

    def _sign_off(self, ledger: Ledger) -> None:
        self._duties.leadership.give_up(ledger)
        if self._stop_status and not self._duties.deaths:
            now = ledger.now()
            end_workers(now, "cluster stopped", cluster_id=self._identity.id)
            end_cluster(now, self._stop_status, self._identity.id)


def run_clock(
    identity: Identity,
    inbox: Receiver,
    outbox: Sender,
    vigil: Vigil,
    sentinel: int,
    not_ours: list[HasFileno],
    run_once: bool,
) -> None:
    """The main function of a clock process."""
    settle(sentinel, not_ours=not_ours, ignore=CLOCK_IGNORES)
    set_title(f"{identity.name} clock")
    Clock(identity, inbox, outbox, vigil, run_once=run_once).run()
