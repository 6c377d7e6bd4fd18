"""Who a cluster and its workers are: their rows."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import django
from django.db import connections

from jobs.conf import Pool
from jobs.conf import settings as conf
from jobs.models import Cluster, ClusterStatus, Worker

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


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


# Without the ORM: a worker whose jobs do not use it need not have it in memory of its own.
_INSERT_CLUSTER = """
INSERT INTO jobs_cluster (
    id, name, pool, host, pid, status, queues, processes, reincarnations, version, release
) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s) ON CONFLICT (id) DO NOTHING
"""
_INSERT_WORKER = """
INSERT INTO jobs_worker (cluster_id, pool, host, pid, exit, unknown_definitions)
VALUES (%s, %s, %s, %s, '', '[]') RETURNING id
"""


def register_cluster(
    identity: Identity,
    status: str = ClusterStatus.STARTING,
    *,
    connection: BaseDatabaseWrapper | None = None,
) -> None:
    """Make sure that the cluster has its row. Any of its processes may be the first."""
    connection = connection or connections[conf.DATABASE]
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_CLUSTER,
            [
                _key(identity, connection),
                identity.name,
                identity.pool_names[:64],
                identity.host[:255],
                identity.pid,
                str(status),
                json.dumps(identity.queues),
                identity.processes,
                running_code()[:100],
                conf.RELEASE,
            ],
        )


def register_worker(
    identity: Identity, pool: Pool, *, connection: BaseDatabaseWrapper | None = None
) -> int:
    """Insert the row of this process as a worker of the cluster; return its id."""
    connection = connection or connections[conf.DATABASE]
    register_cluster(identity, connection=connection)
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_WORKER,
            [_key(identity, connection), pool.name, identity.host[:255], os.getpid()],
        )
        return int(cursor.fetchone()[0])


def _key(identity: Identity, connection: BaseDatabaseWrapper) -> UUID | str:
    return identity.id if connection.features.has_native_uuid_field else identity.id.hex


def end_workers(moment: dt.datetime, exit: str, **which: Any) -> int:
    """Note the end of the workers that these fields choose and that have none yet."""
    workers = Worker.objects.using(conf.DATABASE).filter(stopped_at__isnull=True, **which)
    return workers.update(stopped_at=moment, exit=exit[:100])


def end_cluster(moment: dt.datetime, status: str, cluster_id: UUID) -> bool:
    """Note the end of a cluster; False if it was noted before."""
    active = Cluster.objects.using(conf.DATABASE).active()
    return bool(active.filter(pk=cluster_id).update(status=status, stopped_at=moment))
