"""Leadership: one cluster does what needs to be done once."""

from __future__ import annotations

import logging
import time

from jobs.cluster.identity import Identity
from jobs.conf import settings as conf
from jobs.ledger import Ledger

LEASE = "clock"

logger = logging.getLogger("jobs.cluster")


class Leadership:
    """The lease on the clock, taken by whichever cluster finds it free and renewed while it lives.

    Two that believe to lead for a moment do no harm: whatever a leader does, the database lets
    happen once.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._led = False
        self._until = 0.0

    @property
    def is_ours(self) -> bool:
        return time.monotonic() < self._until

    @property
    def every(self) -> float:
        """Seconds to the next attempt. A leader renews in time for two failures; a dead leader's
        lease is taken over a second after it has run out, at the latest."""
        third = conf.LEADER_TTL.total_seconds() / 3
        return third if self._led else min(1.0, third)

    def renew(self, ledger: Ledger) -> None:
        """Take or renew the lease."""
        ttl = conf.LEADER_TTL
        asked = time.monotonic()
        ours = ledger.take_lease(LEASE, self._identity.id, ttl)
        self._until = asked + ttl.total_seconds() if ours else 0.0
        if ours != self._led:
            logger.info("%s %s", self._identity.name, "leads" if ours else "no longer leads")
            self._led = ours

    def give_up(self, ledger: Ledger) -> None:
        """Let another one lead at once."""
        if self._led:
            ledger.release_lease(LEASE, self._identity.id)
            self._until = 0.0
