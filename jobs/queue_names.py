"""Which queues there are."""

from __future__ import annotations

import difflib

from django.db import connections

from jobs.conf import settings as conf
from jobs.exceptions import UnknownQueue
from jobs.models import Job, Queue

# Steps from one name to the next through the index by queue, which has all jobs but running ones: a
# handful of look-ups, where DISTINCT would read every job that there ever was.
_IN_USE = """
WITH RECURSIVE used(name) AS (
    SELECT MIN(queue) FROM {table} WHERE NOT (state = 'running')
    UNION ALL
    SELECT (
        SELECT MIN(queue) FROM {table} WHERE queue > used.name AND NOT (state = 'running')
    )
    FROM used WHERE used.name IS NOT NULL
)
SELECT name FROM used WHERE name IS NOT NULL
UNION
SELECT queue FROM {table} WHERE state = 'running'
"""


def known() -> list[str]:
    """All queues: those that a pool serves, in its order; then, by name, those about which
    something was decided and those that hold a job."""
    others = set(Queue.objects.using(conf.DATABASE).values_list("name", flat=True))
    others.update(_in_use())
    return [*conf.QUEUES, *sorted(others - set(conf.QUEUES))]


def resolve(name: str) -> str:
    """Return the name of a queue that there is.

    Raises UnknownQueue, with the nearest name, for any other.
    """
    if name in conf.QUEUES:
        return name
    names = known()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise UnknownQueue(name, near[0] if near else "")
    return name


def _in_use() -> list[str]:
    connection = connections[conf.DATABASE]
    table = connection.ops.quote_name(Job._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(_IN_USE.format(table=table))
        return [row[0] for row in cursor.fetchall()]
