"""Pulse: the heartbeat of a cluster, and what its row asks of it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from jobs.cluster.identity import Identity, register_cluster
from jobs.conf import settings as conf
from jobs.ledger import Ledger
from jobs.models import Cluster, ClusterStatus
from jobs.models.worker import ClusterQuerySet

SILENCE = 3
"""A cluster that has not been heard for so many heartbeats is lost."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat found."""

    is_alive: bool
    """False: others have declared the cluster lost, and its jobs are theirs."""
    restart_requested: bool


class Pulse:
    """Says that the cluster lives. Its heartbeat is the lease on everything its workers run."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._registered = False
        self._reincarnations = 0
        self._last = 0.0
        self._steady_since = 0.0

    @property
    def interval(self) -> float:
        return conf.HEARTBEAT.total_seconds()

    def steady_for(self) -> float:
        """Seconds for which heartbeats have come without a gap.

        After an outage of the database every cluster has been silent. Whoever comes back first
        must not take the others for dead.
        """
        if time.monotonic() - self._last > 2 * self.interval:
            return 0.0
        return self._last - self._steady_since

    def beat(self, ledger: Ledger, reincarnations: int) -> Beat:
        """Renew the heartbeat. Raises the database's errors; then nothing has been renewed."""
        if not self._registered:
            register_cluster(self._identity, connection=ledger.connection)
            self._registered = True
        restart_requested = ledger.heartbeat(self._identity.id)
        now = time.monotonic()
        if now - self._last > 2 * self.interval:
            self._steady_since = now
        self._last = now
        if reincarnations != self._reincarnations:
            self._row.update(reincarnations=reincarnations)
            self._reincarnations = reincarnations
        return Beat(restart_requested is not None, bool(restart_requested))

    def note_stopping(self) -> None:
        """Say that the cluster takes no more work."""
        self._row.active().update(status=ClusterStatus.STOPPING)

    @property
    def _row(self) -> ClusterQuerySet:
        return Cluster.objects.using(conf.DATABASE).filter(pk=self._identity.id)
