"""Who a cluster and its workers are: their rows."""

from __future__ import annotations

import datetime as dt
import os
import platform
import socket
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import django

from jobs.conf import Pool
from jobs.conf import settings as conf
from jobs.models import Cluster, ClusterStatus, Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One life of a cluster, from the start of its sentinel to its end."""

    name: str
    pools: tuple[Pool, ...]
    id: UUID = field(default_factory=uuid4)
    pid: int = field(default_factory=os.getpid)
    """Of the process that a process manager knows."""
    host: str = field(default_factory=socket.gethostname)
    heirs_of: tuple[UUID, ...] = ()
    """Earlier lives whose processes are known to be dead: their jobs are rescued at once."""

    @property
    def queues(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(queue for pool in self.pools for queue in pool.queues))

    @property
    def processes(self) -> int:
        return sum(pool.processes for pool in self.pools)

    @property
    def pool_names(self) -> str:
        return ",".join(pool.name for pool in self.pools)

    @property
    def shutdown_grace(self) -> float:
        """Seconds that running jobs get when the cluster stops."""
        return max(pool.shutdown_grace for pool in self.pools).total_seconds()


def humane_name(cluster_id: UUID) -> str:
    """The words by which django-q2 calls a cluster."""
    from django_q.humanhash import humanize

    return str(humanize(cluster_id.hex))


def running_code() -> str:
    """The versions that matter when something went wrong on one host only."""
    from django_q import VERSION

    return (
        f"Python {platform.python_version()}, Django {django.get_version()}, "
        f"django-q2 {'.'.join(map(str, VERSION))}"
    )


def register_cluster(identity: Identity, status: str = ClusterStatus.STARTING) -> None:
    """Make sure that the cluster has its row. Any of its processes may be the first."""
    Cluster.objects.using(conf.DATABASE).bulk_create(
        [
            Cluster(
                id=identity.id,
                name=identity.name,
                pool=identity.pool_names[:64],
                host=identity.host[:255],
                pid=identity.pid,
                status=status,
                queues=list(identity.queues),
                processes=identity.processes,
                version=running_code()[:100],
            )
        ],
        ignore_conflicts=True,
    )


def register_worker(identity: Identity, pool: Pool) -> int:
    """Insert the row of this process as a worker of the cluster; return its id."""
    register_cluster(identity)
    return (
        Worker.objects.using(conf.DATABASE)
        .create(cluster_id=identity.id, pool=pool.name, host=identity.host[:255], pid=os.getpid())
        .pk
    )


def end_workers(moment: dt.datetime, exit: str, **which: Any) -> int:
    """Note the end of the workers that these fields choose and that have none yet."""
    workers = Worker.objects.using(conf.DATABASE).filter(stopped_at__isnull=True, **which)
    return workers.update(stopped_at=moment, exit=exit[:100])


def end_cluster(moment: dt.datetime, status: str, cluster_id: UUID) -> bool:
    """Note the end of a cluster; False if it was noted before."""
    active = Cluster.objects.using(conf.DATABASE).active()
    return bool(active.filter(pk=cluster_id).update(status=status, stopped_at=moment))
