"""Sweeps: finding the jobs of workers that nobody has told of."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from jobs.cluster import journals, recovery
from jobs.cluster.identity import Identity, end_cluster, end_workers
from jobs.cluster.pulse import SILENCE, Pulse
from jobs.conf import settings as conf
from jobs.execution import rescue
from jobs.ledger import Ledger
from jobs.models import Cluster, ClusterStatus, Job, Worker

HOST_GONE = "host gone"
PROCESS_GONE = "process gone"
SENTINEL_GONE = "sentinel gone"
ENDED = (ClusterStatus.LOST, ClusterStatus.STOPPED)
STEADY = 2
"""Heartbeats in a row without a gap, before a cluster may declare another one lost."""
FORGOTTEN_AFTER = dt.timedelta(days=7)
"""A worker's file that nobody has written to for so long, and of which this ledger knows nothing.
Should its cluster live all the same, a death of that worker is treated like that of a host."""
SETTLED = dt.timedelta(seconds=10)
"""After so long a worker that has ended has nothing on its way to the ledger."""

logger = logging.getLogger("jobs.cluster")


def rescue_workers(
    ledger: Ledger,
    worker_ids: Sequence[int],
    detail: str,
    *,
    timed_out: bool = False,
    interrupted: bool = False,
) -> int:
    """End the attempts of dead workers, then note their end; return how many jobs were rescued.

    In this order, so that workers whose jobs were not reached are found again. Where this host has
    a worker's file, only the job that it died in needs to be rescued.
    """
    files = _files_of(worker_ids)
    for worker_id, path in files.items():
        # Another rescuer may have been here, and have removed it once all was in the ledger.
        with suppress(FileNotFoundError):
            recovery.settle(ledger, worker_id, path)
    report = rescue.rescue(
        ledger, worker_ids, detail=detail, timed_out=timed_out, interrupted=interrupted
    )
    end_workers(ledger.now(), detail, pk__in=list(worker_ids))
    for path in files.values():
        journals.remove(path)
    return report.total


def _files_of(worker_ids: Sequence[int]) -> dict[int, Path]:
    workers = Worker.objects.using(conf.DATABASE).filter(pk__in=list(worker_ids))
    return journals.of_workers(dict(workers.values_list("pk", "cluster_id")))


def remove_left_files(identity: Identity) -> None:
    """Remove the files of clusters that have ended and whose workers' end is noted, such as of
    those that left in good order while nobody was there to tidy up."""
    others = journals.clusters() - {identity.id}
    if not others:
        return
    # A cluster that lives may have files whose workers have no row yet.
    ended = Cluster.objects.using(conf.DATABASE).filter(pk__in=others, status__in=ENDED)
    living = Worker.objects.using(conf.DATABASE).filter(stopped_at__isnull=True)
    settled = ended.exclude(pk__in=living.filter(cluster_id__in=others).values("cluster_id"))
    for cluster_id in settled.values_list("pk", flat=True):
        for path in journals.of_cluster(cluster_id):
            journals.remove(path)
    known = Cluster.objects.using(conf.DATABASE).filter(pk__in=others)
    for cluster_id in others.difference(known.values_list("pk", flat=True)):
        _remove_forgotten_files(cluster_id)


def _remove_forgotten_files(cluster_id: UUID) -> None:
    """Of a cluster that is not in this ledger: of another site's, or of a database that is gone."""
    for path in journals.of_cluster(cluster_id):
        if journals.is_forgotten(path, FORGOTTEN_AFTER.total_seconds()):
            journals.remove(path)


def inherit(ledger: Ledger, heirs_of: Sequence[UUID]) -> int:
    """Rescue the jobs of earlier lives of this cluster, whose workers died with their sentinel."""
    if not heirs_of:
        return 0
    for cluster_id in heirs_of:
        end_cluster(ledger.now(), ClusterStatus.LOST, cluster_id)
    return _rescue_living(ledger, SENTINEL_GONE, cluster_id__in=list(heirs_of))


def lose_silent_clusters(ledger: Ledger, identity: Identity, pulse: Pulse) -> int:
    """Declare silent clusters lost; return how many.

    Only once our own heartbeat has been steady: a database that was away silences everyone. The
    update repeats the condition, so that a cluster which speaks up just now is left alone.
    """
    if pulse.steady_for() < STEADY * pulse.interval:
        return 0
    now = ledger.now()
    moment = now - SILENCE * conf.HEARTBEAT
    silent = Cluster.objects.using(conf.DATABASE).silent_since(moment).exclude(pk=identity.id)
    lost = 0
    for cluster in silent:
        if silent.filter(pk=cluster.pk).update(status=ClusterStatus.LOST, stopped_at=now):
            lost += 1
            silence = (now - cluster.heartbeat_at).total_seconds()
            logger.error("cluster %s is lost: silent for %.1f s", cluster, silence)
    return lost


def rescue_ended_clusters(ledger: Ledger) -> int:
    """Rescue the jobs of workers whose cluster is lost or has stopped; return how many."""
    return _rescue_living(ledger, HOST_GONE, cluster__status__in=ENDED)


def _rescue_living(ledger: Ledger, detail: str, **which: Any) -> int:
    """Rescue from those of these workers whose end has not been noted."""
    workers = Worker.objects.using(conf.DATABASE).filter(stopped_at__isnull=True, **which)
    ids = list(workers.values_list("pk", flat=True))
    rescued = rescue_workers(ledger, ids, detail) if ids else 0
    if rescued:
        logger.warning("rescued %s of %s dead workers: %s", rescued, len(ids), detail)
    return rescued


def rescue_orphans(ledger: Ledger) -> int:
    """Rescue running jobs whose worker has ended, or has no row; return how many.

    None of the other ways should leave one. The index of running jobs makes looking cheap.
    """
    running = Job.objects.using(conf.DATABASE).running()
    holders = set(running.order_by().values_list("worker_id", flat=True).distinct()) - {0, None}
    if not holders:
        return 0
    rows = Worker.objects.using(conf.DATABASE).filter(pk__in=holders)
    known = {
        pk: (stopped, exit) for pk, stopped, exit in rows.values_list("pk", "stopped_at", "exit")
    }
    settled = ledger.now() - SETTLED
    by_detail: dict[str, list[int]] = defaultdict(list)
    for worker_id in holders:
        stopped_at, exit = known.get(worker_id, (dt.datetime.min.replace(tzinfo=dt.UTC), ""))
        if stopped_at is not None and stopped_at < settled:
            by_detail[exit or PROCESS_GONE].append(worker_id)
    # They came to the ledger after the rescue from their worker: by a claim that was under way when
    # it died, and whose jobs it never started.
    return sum(
        rescue_workers(ledger, ids, detail, interrupted=True) for detail, ids in by_detail.items()
    )
