"""What is out of bounds: for each kind of rule what it finds now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from django.db.models import Max

from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.management.output import counted, duration, moment
from jobs.metrics.figures import Figures
from jobs.metrics.history import Window, courses_by, total
from jobs.metrics.queues import QueueStats, queue_stats
from jobs.metrics.workers import WorkerStatus, worker_status
from jobs.models import AlertKind, AlertRule, Job, JobSchedule, JobState

DAY = dt.timedelta(days=1)
LEAST_ENDED = 5
"""So few jobs in a window have no failure rate that means anything."""
LEAST_RUN = dt.timedelta(seconds=10)
"""A job that has not run longer is not slow, however quick its like are."""
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is out of bounds now."""

    subject: str
    text: str


class Scene:
    """What there is now, read once for all rules, and only what they ask for."""

    def __init__(self) -> None:
        self.now = ledger().now()

    @cached_property
    def queues(self) -> list[QueueStats]:
        return queue_stats()

    @cached_property
    def workers(self) -> WorkerStatus:
        return worker_status()

    @cached_property
    def usual(self) -> dict[str, Figures]:
        """The last day, by definition."""
        return _by("definition", Window.last(DAY, self.now))

    def ended(self, window: dt.timedelta, rule: AlertRule) -> dict[str, Figures]:
        """Recent figures, by queue or, where the rule is about one, by definition."""
        last = Window.last(window, self.now)
        if rule.definition:
            return _by("definition", last, queue=rule.queue, definition=rule.definition)
        return _by("queue", last, queue=rule.queue)


def _by(by: Literal["queue", "definition"], window: Window, **only: str) -> dict[str, Figures]:
    courses = courses_by(window, by, **only)
    return {name: total(point.figures for point in points) for name, points in courses.items()}


def findings(rule: AlertRule, scene: Scene) -> list[Finding]:
    """What this rule finds out of bounds."""
    return list(_FOUND[AlertKind(rule.kind)](rule, scene))


def _waits(rule: AlertRule, scene: Scene) -> Iterator[Finding]:
    longest = dt.timedelta(seconds=rule.limit)
    for one in _of_queue(rule, scene):
        if not one.paused and one.wait is not None and one.wait > longest:
            text = f"The oldest job on {one.name} has waited {duration(one.wait)}."
            yield Finding(one.name, text)


def _depths(rule: AlertRule, scene: Scene) -> Iterator[Finding]:
    for one in _of_queue(rule, scene):
        if one.ready > rule.limit:
            yield Finding(one.name, f"{one.ready} jobs are ready on {one.name}.")


def _failures(rule: AlertRule, scene: Scene) -> Iterator[Finding]:
    for name, figures in scene.ended(rule.window, rule).items():
        rate = figures.failure_rate
        if rate is not None and figures.ended >= LEAST_ENDED and rate * 100 > rule.limit:
            text = (
                f"{figures.failed:,} of {counted(figures.ended, 'job')} of {name} failed in the "
                f"last {duration(rule.window)}: {rate:.0%}."
            )
            yield Finding(name, text)


def _workers(rule: AlertRule, scene: Scene) -> Iterator[Finding]:
    serving = {
        cluster.id
        for cluster in scene.workers.alive
        if not rule.queue or rule.queue in cluster.queues
    }
    alive = sum(1 for one in scene.workers.workers if one.alive and one.cluster in serving)
    if alive < rule.limit:
        of = f" of {rule.queue}" if rule.queue else ""
        yield Finding(rule.queue or "workers", f"{counted(alive, 'worker')}{of} alive.")


def _schedules(rule: AlertRule, scene: Scene) -> Iterator[Finding]:
    late = dt.timedelta(seconds=rule.limit)
    rows = JobSchedule.objects.using(conf.DATABASE).enabled().order_by("name")
    rows = rows.filter(pk=rule.schedule_id) if rule.schedule_id else rows
    for schedule in rows[:SHOWN]:
        if schedule.next_run_at is not None and schedule.next_run_at + late < scene.now:
            text = f"{schedule.name} should have run at {moment(schedule.next_run_at)}."
            yield Finding(schedule.name, text)
        elif rule.schedule_id and (since := _silent_since(schedule)) + late < scene.now:
            text = f"{schedule.name} has had no success since {moment(since)}."
            yield Finding(schedule.name, text)


def _silent_since(schedule: JobSchedule) -> dt.datetime:
    """Its last success; if it never had one, its beginning. A dead man's switch."""
    runs = Job.objects.using(conf.DATABASE).filter(
        schedule=schedule, state=JobState.SUCCEEDED, slot_at__isnull=False
    )
    newest: dt.datetime | None = runs.aggregate(newest=Max("finished_at"))["newest"]
    return newest or schedule.created_at


def _slow(rule: AlertRule, scene: Scene) -> Iterator[Finding]:
    rows = Job.objects.using(conf.DATABASE).running().filter(started_at__isnull=False)
    rows = rows.filter(definition=rule.definition) if rule.definition else rows
    for job in rows.order_by("started_at").only("id", "definition", "started_at")[:SHOWN]:
        ran = scene.now - (job.started_at or scene.now)
        usual = scene.usual.get(job.definition)
        p95 = usual.run.p95 if usual is not None else None
        if p95 is not None and ran > LEAST_RUN and ran > p95 * rule.limit:
            text = (
                f"{job.short_name} {job.pk} has run for {duration(ran)}; 95 % of its like take "
                f"{duration(p95)} or less."
            )
            yield Finding(str(job.pk), text)


def _of_queue(rule: AlertRule, scene: Scene) -> list[QueueStats]:
    return [one for one in scene.queues if rule.queue in ("", one.name)]


_FOUND: dict[AlertKind, Callable[[AlertRule, Scene], Iterator[Finding]]] = {
    AlertKind.WAIT: _waits,
    AlertKind.DEPTH: _depths,
    AlertKind.FAILURES: _failures,
    AlertKind.WORKERS: _workers,
    AlertKind.SCHEDULE: _schedules,
    AlertKind.SLOW: _slow,
}
