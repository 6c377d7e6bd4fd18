"""What is written when an old call has ended: its row or its cached result, and its hook."""

from __future__ import annotations

from django.db import transaction
from django_q.conf import Conf

from jobs.conf import settings
from jobs.django_q2 import cached, hooks, pruning
from jobs.django_q2.calls import OldCall
from jobs.django_q2.rows import Ending, save_row
from jobs.execution.context import CurrentJob
from jobs.models import Job


def record_success(call: OldCall, ending: Ending, current: CurrentJob | None) -> bool:
    """Write the result where the call wants it, and enqueue its hook.

    False, and nothing is written, if the job was taken from this worker meanwhile: then another
    attempt gives the result.
    """
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
    with transaction.atomic(using=settings.DATABASE):
        if current is not None and not _still_holds(current):
            return False
        if not call.options.cached:
            save_row(call, ending)
    return True


def _wants_row(call: OldCall, ending: Ending) -> bool:
    wanted = Conf.SAVE_LIMIT >= 0 if call.options.save is None else call.options.save
    return wanted or not ending.success


def _still_holds(current: CurrentJob) -> bool:
    """Whether this attempt may still write; the job's row stays locked until it has."""
    return bool(
        Job.objects.using(settings.DATABASE)
        .running()
        .filter(pk=current.id, fence=current.fence)
        .select_for_update()
        .values_list("pk", flat=True)
    )
