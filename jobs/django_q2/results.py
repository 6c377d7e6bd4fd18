"""What is written when an old call has ended: its row or its cached result, and its hook."""

from __future__ import annotations

import datetime as dt

from django.db import connections, router, transaction
from django_q.conf import Conf
from django_q.models import Task

from jobs.conf import settings
from jobs.django_q2 import cached, hooks, pruning
from jobs.django_q2.calls import OldCall
from jobs.django_q2.rows import Ending, save_row
from jobs.execution.context import CurrentJob
from jobs.models import Job

IDLE_TRUST = dt.timedelta(seconds=1)
"""A connection that a call may have left unused for so long is looked at before it is used."""


def record_success(call: OldCall, ending: Ending, current: CurrentJob | None) -> bool:
    """Write the result where the call wants it, and enqueue its hook.

    False, and nothing is written, if the job was taken from this worker meanwhile: then another
    attempt gives the result.
    """
    _mend_connections(ending)
    with transaction.atomic(using=settings.DATABASE):
        if current is not None and not _still_holds(current):
            return False
        if call.options.cached:
            cached.save(call, ending)
        elif _wants_row(call, ending):
            save_row(call, ending)
        if current is not None:
            hooks.enqueue(call, current.id, current.queue)
    if not call.options.cached:
        pruning.prune_successes(call)
    return True


def record_attempt(call: OldCall, ending: Ending, current: CurrentJob | None) -> bool:
    """Write the row of an attempt that failed, whether or not it was the last.

    Cache, group and hook wait for the last one: see `jobs.django_q2.failures`. False if the job
    was taken from this worker meanwhile.
    """
    _mend_connections(ending)
    with transaction.atomic(using=settings.DATABASE):
        if current is not None and not _still_holds(current):
            return False
        if not call.options.cached:
            save_row(call, ending)
    return True


def _wants_row(call: OldCall, ending: Ending) -> bool:
    wanted = Conf.SAVE_LIMIT >= 0 if call.options.save is None else call.options.save
    return wanted or not ending.success


def _mend_connections(ending: Ending) -> None:
    """Close what the call has left unusable, so that its end is written over a new connection:
    one that the server has dropped meanwhile, or one in the middle of a transaction."""
    for alias in {settings.DATABASE, router.db_for_write(Task)}:
        connection = connections[alias]
        if connection.connection is None or connection.in_atomic_block:
            continue
        doubtful = connection.errors_occurred or ending.stopped - ending.started > IDLE_TRUST
        if not connection.get_autocommit() or (doubtful and not connection.is_usable()):
            connection.close()


def _still_holds(current: CurrentJob) -> bool:
    """Whether this attempt may still write; the job's row stays locked until it has."""
    return bool(
        Job.objects.using(settings.DATABASE)
        .running()
        .filter(pk=current.id, fence=current.fence)
        .select_for_update()
        .values_list("pk", flat=True)
    )
