"""Rehearsal: what every process of a cluster does, done once before they are forked."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import Error, connections

from jobs.cluster import glances
from jobs.cluster.identity import Identity
from jobs.cluster.process import close_connections
from jobs.cluster.pulse import SILENCE
from jobs.conf import settings as conf
from jobs.ledger import connect, ledger
from jobs.models import Cluster
from jobs.scheduling import declared
from jobs.transports import database

PATIENCE = timedelta(seconds=3)
"""How long a database may take to accept the connection."""

logger = logging.getLogger("jobs.cluster")


def rehearse(identity: Identity) -> bool:
    """Have imported, built and cached what is so on first use: the processes that are forked then
    share that memory, and start sooner. Return whether it went to its end.

    Only reads, and leaves no connection open. A database that does not answer is no obstacle: the
    processes wait for it themselves.
    """
    # The caller's own may be in the middle of something.
    callers = connections[conf.DATABASE]
    try:
        connection = connections[conf.DATABASE] = connect(PATIENCE)
        book = ledger(connection)
        book.claim(worker_id=0, queues=(), limit=1)
        book.held_by([0])
        glances.surroundings(book, identity.id, SILENCE * conf.HEARTBEAT)
        glances.seconds_to_schedule(book)
        database.listen(connection, identity.queues).wait(0)
        declared.create_missing(dry_run=True)
        Cluster.objects.using(conf.DATABASE).active().filter(pk=identity.id).first()
    except Error as error:
        logger.warning("the database does not serve the cluster yet: %s", error)
        return False
    finally:
        close_connections()
        # Those who are forked have an ordinary one for their jobs.
        connections[conf.DATABASE] = callers
    return True
