"""django-q2's `Schedule` rows: each due one becomes a task, once, by itself."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import InterfaceError, OperationalError, connections, router, transaction
from django.utils.module_loading import import_string
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import Schedule, Task
from django_q.tasks import async_task

from jobs.conf import settings
from jobs.django_q2 import schedule_arguments, schedule_times, sensitive
from jobs.django_q2.broker import LedgerBroker
from jobs.django_q2.schedule_arguments import MalformedSchedule
from jobs.ledger import ledger

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

CATCH_UP_AT_ONCE = 100
"""A schedule that catches up enqueues so many of its missed runs in one tick."""

logger = logging.getLogger("jobs.django_q2")


@dataclass(frozen=True, slots=True)
class ScheduleReport:
    """What a tick did: tasks enqueued, and schedules newly found that cannot be run."""

    enqueued: int = 0
    broken: int = 0


def run_once(
    now: dt.datetime | None = None, *, connection: BaseDatabaseWrapper | None = None
) -> ScheduleReport:
    """Enqueue what is due of the schedules of all django-q2 clusters of the site.

    Each run is a transaction of its own that moves the schedule on and enqueues the task, so it
    happens once however many call this at once, and what is wrong with one schedule stops no other.
    Such a schedule stays where it is until it is mended; a failed task in django-q2's table and the
    log say what is wrong, once for each wrong state. `now` is the database's clock unless given.

    Does nothing where django-q2 has another broker or its scheduler is off.
    """
    if not is_ours():
        return ScheduleReport()
    now = now or ledger(connection).now()
    enqueued = broken = 0
    for pk in _due(now).values_list("pk", flat=True):
        try:
            enqueued += _catch_up(pk, now)
        except (OperationalError, InterfaceError):
            # Not the schedule's fault: the caller reconnects and comes again.
            raise
        except Exception as error:
            broken += _report(pk, error, now)
    return ScheduleReport(enqueued, broken)


def is_ours() -> bool:
    """Whether these schedules are for us to run."""
    if not (Conf.SCHEDULER and Conf.BROKER_CLASS):
        return False
    broker = import_string(Conf.BROKER_CLASS)
    return isinstance(broker, type) and issubclass(broker, LedgerBroker)


def _due(now: dt.datetime) -> Any:
    rows = Schedule.objects.using(router.db_for_write(Schedule))
    return rows.exclude(repeats=0).filter(next_run__lte=now).order_by("next_run", "pk")


def _catch_up(pk: int, now: dt.datetime) -> int:
    for ran in range(CATCH_UP_AT_ONCE):
        if not _run(pk, now):
            return ran
    return CATCH_UP_AT_ONCE


def _run(pk: int, now: dt.datetime) -> bool:
    """Enqueue one run of a schedule, and set the next; False if it is not due, or another does."""
    database = router.db_for_write(Schedule)
    skip = connections[database].features.has_select_for_update_skip_locked
    with transaction.atomic(using=database), transaction.atomic(using=settings.DATABASE):
        schedule = _due(now).select_for_update(skip_locked=skip).filter(pk=pk).first()
        if schedule is None:
            return False
        func, args, options = schedule.func, *_call(schedule)
        # Where rows cannot be locked this is what lets only one of two go on.
        if not _move_on(schedule, now):
            return False
        task_id = async_task(func, *args, **options)
        Schedule.objects.using(database).filter(pk=pk).update(task=task_id)
        if schedule.schedule_type == Schedule.ONCE and schedule.repeats < 0:
            schedule.delete()
    logger.info("schedule %s enqueued task %s", schedule.name or schedule.pk, task_id)
    return True


def _call(schedule: Schedule) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments for `async_task`. Raises MalformedSchedule."""
    args = schedule_arguments.positional(schedule.args)
    kwargs = schedule_arguments.keyword(schedule.kwargs)
    if (args or kwargs) and sensitive.definition_of(schedule.func) is not None:
        raise MalformedSchedule("func", schedule.func, sensitive.READABLE)
    options = dict(kwargs.get("q_options") or {})
    if schedule.intended_date_kwarg:
        kwargs[schedule.intended_date_kwarg] = schedule.next_run.isoformat()
    if schedule.hook:
        options["hook"] = schedule.hook
    old_name = options.pop("broker_name", None)
    options["cluster"] = schedule.cluster or options.get("cluster") or old_name
    options.setdefault("group", schedule.name or schedule.pk)
    # In the caller it would run in the clock.
    options["sync"] = False
    options["broker"] = get_broker(options["cluster"] or Conf.PREFIX)
    return args, {**kwargs, "q_options": options}


def _move_on(schedule: Schedule, now: dt.datetime) -> bool:
    if schedule.schedule_type == Schedule.ONCE:
        return bool(_rows(schedule).update(repeats=0) == 1)
    first_run = schedule_times.first_run_of(schedule)
    next_run = schedule_times.run_after(schedule, first_run, now)
    left = schedule.repeats - 1 if schedule.repeats > 0 else -1
    if _rows(schedule).update(next_run=next_run, repeats=left) != 1:
        return False
    schedule_times.remember(schedule, first_run, next_run)
    return True


def _rows(schedule: Schedule) -> Any:
    """The schedule's row, unless another has moved it on or an operator has changed it."""
    rows = Schedule.objects.using(router.db_for_write(Schedule))
    return rows.filter(pk=schedule.pk, next_run=schedule.next_run, repeats=schedule.repeats)


def _report(pk: int, error: Exception, now: dt.datetime) -> int:
    """Say what keeps a schedule from running; 1 if that was not said before."""
    schedule = Schedule.objects.using(router.db_for_write(Schedule)).filter(pk=pk).first()
    if schedule is None:
        return 0
    state = (pk, schedule.next_run, schedule.func, schedule.args, schedule.kwargs, schedule.cron)
    database = router.db_for_write(Task)
    with transaction.atomic(using=database):
        failure, is_new = Task.objects.using(database).get_or_create(
            id=hashlib.blake2b(repr(state).encode(), digest_size=16).hexdigest(),
            defaults={
                "name": schedule.name or f"schedule {pk}",
                "func": schedule.func,
                "group": schedule.name or str(pk),
                "cluster": schedule.cluster,
                "args": (),
                "kwargs": {},
                "started": now,
                "stopped": now,
                "success": False,
                "result": f"This schedule was not run, and is not until it is mended: {error}",
            },
        )
    if is_new:
        Schedule.objects.using(router.db_for_write(Schedule)).filter(pk=pk).update(task=failure.pk)
        logger.error("schedule %s cannot be run: %s", schedule.name or pk, error, exc_info=error)
    return int(is_new)
