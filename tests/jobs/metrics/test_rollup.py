"""What happened becomes figures by the minute, hour and day, once, and outlives the jobs."""

from __future__ import annotations

import datetime as dt
import random
import threading
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections, transaction

from jobs.identifiers import uuid7_floor
from jobs.metrics.figures import Figures
from jobs.metrics.histogram import ERROR, Histogram
from jobs.metrics.history import Point, Window, course, courses_by, figures, total
from jobs.metrics.rollup import LATE, floor, run_once
from jobs.models import Attempt, Job, JobMetric, MetricLevel, MetricMark
from tests.jobs.factories import JobFactory, metrics_since

pytestmark = pytest.mark.django_db(transaction=True)

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
MS = dt.timedelta(milliseconds=1)


def ended(
    at: dt.datetime,
    *,
    wait: dt.timedelta = 100 * MS,
    run: dt.timedelta = 10 * MS,
    ready: dt.datetime | None = None,
    **facts: Any,
) -> Job:
    """A job whose last attempt ended then."""
    started = at - run
    enqueued = ready or started - wait
    due = started - wait if ready else None
    values = {"state": "succeeded", "enqueued_at": enqueued, "due_at": due, **facts}
    identifier = UUID(int=uuid7_floor(enqueued).int | random.getrandbits(61))
    return JobFactory.create(id=identifier, started_at=started, finished_at=at, **values)


def tried(job: Job, at: dt.datetime, outcome: str, fence: int = 1) -> None:
    Attempt.objects.create(
        job=job, number=fence, fence=fence, started_at=at - MS, finished_at=at, outcome=outcome
    )


def roll_up(until: dt.datetime) -> None:
    """All that is complete at this moment."""
    while run_once(until + LATE):
        pass


def minute(at: dt.datetime = NOON) -> Figures:
    rows = JobMetric.objects.filter(level=MetricLevel.MINUTE, at=at)
    return Figures.of(rows.get())


class TestAMinute:
    def test_it_counts_what_ended_by_how_it_ended(self) -> None:
        metrics_since(NOON)
        for state, count in (("succeeded", 3), ("failed", 2), ("cancelled", 1)):
            for _ in range(count):
                ended(NOON + 5 * MS, state=state)
        roll_up(NOON + MINUTE)
        found = minute()
        assert (found.succeeded, found.failed, found.cancelled) == (3, 2, 1)
        assert (found.ended, found.failure_rate) == (5, 0.4)
        assert found.run.count == 5

    def test_what_ended_on_the_minute_belongs_to_the_one_that_begins(self) -> None:
        metrics_since(NOON)
        ended(NOON)
        ended(NOON + MINUTE - dt.timedelta(microseconds=1))
        ended(NOON + MINUTE)
        roll_up(NOON + 2 * MINUTE)
        assert (minute().succeeded, minute(NOON + MINUTE).succeeded) == (2, 1)

    def test_waits_and_runs_are_told_to_within_the_error(self) -> None:
        metrics_since(NOON)
        runs = [dt.timedelta(microseconds=300), 5 * MS, 250 * MS, 90 * MINUTE]
        for run in runs:
            ended(NOON + MS, wait=run * 2, run=run)
        roll_up(NOON + MINUTE)
        assert minute().run == Histogram.of(runs)
        assert minute().wait == Histogram.of(run * 2 for run in runs)
        assert minute().run_seconds == pytest.approx(sum(runs, dt.timedelta()).total_seconds())
        assert minute().wait_seconds == pytest.approx(2 * minute().run_seconds)

    def test_the_wait_counts_from_when_the_job_was_ready(self) -> None:
        metrics_since(NOON)
        ended(NOON + MS, wait=40 * MS, ready=NOON - 5 * HOUR)
        roll_up(NOON + MINUTE)
        assert minute().wait == Histogram.of([40 * MS])

    def test_attempts_that_failed_while_the_job_went_on_are_retries(self) -> None:
        metrics_since(NOON)
        flaky = ended(NOON + 9 * MS)
        for fence, outcome in enumerate(
            ("failed", "timed_out", "lost", "released", "succeeded"), 1
        ):
            tried(flaky, NOON + fence * MS, outcome, fence)
        dead = ended(NOON + 9 * MS, state="failed")
        tried(dead, NOON + MS, "failed", 1)
        tried(dead, NOON + 9 * MS, "failed", 2)
        roll_up(NOON + MINUTE)
        assert (minute().retried, minute().failed, minute().succeeded) == (4, 1, 1)

    def test_what_came_is_counted_by_the_time_of_its_id(self) -> None:
        metrics_since(NOON)
        for seconds in (0, 30, 59.999, 60):
            moment = NOON + dt.timedelta(seconds=seconds)
            JobFactory.create(id=uuid7_floor(moment), state="ready")
        roll_up(NOON + MINUTE)
        assert minute().enqueued == 3

    def test_each_queue_and_definition_has_a_row_of_its_own(self) -> None:
        metrics_since(NOON)
        for queue, definition in (("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")):
            ended(NOON, queue=queue, definition=definition)
        roll_up(NOON + MINUTE)
        rows = JobMetric.objects.filter(level="minute").values_list(
            "queue", "definition", "succeeded"
        )
        assert set(rows) == {("a", "x", 2), ("a", "y", 1), ("b", "x", 1)}

    def test_a_minute_in_which_nothing_happened_has_no_row(self) -> None:
        metrics_since(NOON)
        roll_up(NOON + 5 * MINUTE)
        assert not JobMetric.objects.exists()
        assert MetricMark.objects.get(level="minute").until == NOON + 5 * MINUTE

    def test_it_is_not_told_before_what_is_written_late_is_there(self) -> None:
        metrics_since(NOON)
        assert run_once(NOON + MINUTE + LATE - MS) == 0
        assert run_once(NOON + MINUTE + LATE) == 1


class TestRollingUp:
    def test_hours_and_days_are_the_sums_of_their_minutes(self) -> None:
        day = NOON.replace(hour=0)
        metrics_since(day)
        drawn = random.Random(7)
        runs = []
        for _ in range(30):
            run = dt.timedelta(microseconds=drawn.randrange(10, 10**8))
            runs.append(run)
            ended(day + dt.timedelta(seconds=drawn.randrange(86_400)), run=run)
        roll_up(day + DAY)
        hours = JobMetric.objects.filter(level="hour")
        (whole,) = JobMetric.objects.filter(level="day")
        assert sum(row.succeeded for row in hours) == whole.succeeded == 30
        assert Figures.of(whole).run == Histogram.of(runs)
        p95 = Figures.of(whole).run.p95
        assert p95 is not None
        exact = sorted(runs)[28]
        assert abs(p95 - exact) <= exact * ERROR + MS

    def test_what_was_rolled_up_is_not_counted_again(self) -> None:
        metrics_since(NOON)
        ended(NOON)
        roll_up(NOON + HOUR)
        roll_up(NOON + HOUR)
        assert minute().succeeded == 1
        assert JobMetric.objects.get(level="ever").succeeded == 1

    def test_a_crash_in_the_middle_leaves_the_stretch_to_the_next(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        metrics_since(NOON)
        ended(NOON)

        def breaks(*given: Any) -> None:
            raise RuntimeError("the power")

        with monkeypatch.context() as broken:
            broken.setattr("jobs.metrics.rollup._add_to_ever", breaks)
            with pytest.raises(RuntimeError):
                run_once(NOON + HOUR)
        assert not JobMetric.objects.exists()
        roll_up(NOON + MINUTE)
        assert JobMetric.objects.get(level="ever").succeeded == minute().succeeded == 1

    def test_what_there_ever_was_only_grows(self) -> None:
        metrics_since(NOON)
        for number in range(3):
            ended(NOON + number * MINUTE, run=number * 10 * MS + MS)
        roll_up(NOON + 3 * MINUTE)
        JobMetric.objects.exclude(level="ever").delete()
        ever = Figures.of(JobMetric.objects.get(level="ever"))
        assert ever.succeeded == ever.run.count == 3

    def test_two_leaders_at_once_do_each_stretch_once(self) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has one writer at a time")
        metrics_since(NOON)
        ended(NOON)
        mark = MetricMark.objects.filter(pk="minute")
        done: list[int] = []

        def other() -> None:
            done.append(run_once(NOON + MINUTE + LATE))
            connections.close_all()

        with transaction.atomic():
            mark.select_for_update().get()
            thread = threading.Thread(target=other)
            thread.start()
            thread.join(10)
        assert done == [0]
        roll_up(NOON + MINUTE)
        assert minute().succeeded == 1

    def test_the_first_time_the_last_hour_is_looked_at(self) -> None:
        ended(NOON - 30 * MINUTE)
        ended(NOON - 3 * HOUR)
        roll_up(NOON)
        for level in ("minute", "ever"):
            rows = JobMetric.objects.filter(level=level)
            assert sum(row.succeeded for row in rows) == 1

    def test_on_a_new_site_there_is_nothing_to_catch_up_with(self) -> None:
        roll_up(NOON)
        begun = dict(MetricMark.objects.values_list("level", "until"))
        assert begun == {"minute": NOON, "hour": NOON, "day": NOON.replace(hour=0)}

    def test_the_first_hour_is_told_by_the_hour_too_though_only_its_end_was_seen(self) -> None:
        now = NOON + 20 * MINUTE
        ended(now - 30 * MINUTE)
        roll_up(now)
        assert figures(Window.last(6 * HOUR, now)).succeeded == 1

    def test_figures_outlive_the_jobs(self) -> None:
        metrics_since(NOON)
        ended(NOON)
        roll_up(NOON + MINUTE)
        Job.objects.all().delete()
        assert figures(Window.last(HOUR, NOON + MINUTE)).succeeded == 1


class TestAWindow:
    def test_each_job_is_in_it_once_whatever_it_is_told_by(self) -> None:
        now = NOON + 25 * MINUTE
        metrics_since(now - 40 * DAY)
        drawn = random.Random(3)
        moments = [now - dt.timedelta(minutes=drawn.randrange(1, 30 * 24 * 60)) for _ in range(12)]
        for moment in [*moments, now - MINUTE, now - 59 * MINUTE]:
            ended(moment)
        MetricMark.objects.filter(pk="minute").update(until=floor(min(moments), MetricLevel.DAY))
        roll_up_quickly(moments, now)
        for length in (HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY):
            window = Window.last(length, now)
            expected = Job.objects.filter(finished_at__gte=window.since).count()
            assert figures(window).succeeded == expected, length
            assert sum(point.figures.succeeded for point in course(window)) == expected

    def test_a_course_has_a_point_for_each_stretch_also_where_nothing_happened(self) -> None:
        metrics_since(NOON - 2 * HOUR)
        ended(NOON - 10 * MINUTE)
        ended(NOON - 10 * MINUTE + MS)
        roll_up(NOON)
        points = course(Window.last(HOUR, NOON))
        assert len(points) == 60
        assert [point.at for point in points if point.figures.ended] == [NOON - 10 * MINUTE]
        assert points[50].per_minute == 2

    def test_figures_are_told_by_queue_and_by_definition(self) -> None:
        metrics_since(NOON)
        for queue, definition in (("a", "x"), ("b", "x"), ("a", "y")):
            ended(NOON, queue=queue, definition=definition)
        roll_up(NOON + MINUTE)
        window = Window.last(HOUR, NOON + MINUTE)
        assert ended_by(courses_by(window, "queue")) == {"a": 2, "b": 1}
        assert ended_by(courses_by(window, "definition", queue="a")) == {"x": 1, "y": 1}
        assert figures(window, queue="a", definition="y").succeeded == 1
        assert figures(window, queue="nowhere") == Figures()


def ended_by(courses: dict[str, list[Point]]) -> dict[str, int]:
    return {
        name: total(point.figures for point in points).ended for name, points in courses.items()
    }


def roll_up_quickly(moments: list[dt.datetime], now: dt.datetime) -> None:
    """Without each of the minutes in which nothing happens."""
    hours = sorted({floor(moment, MetricLevel.HOUR) for moment in [*moments, now - HOUR, now]})
    for hour in hours:
        MetricMark.objects.filter(pk="minute").update(until=hour)
        MetricMark.objects.filter(pk="hour").update(until=hour)
        roll_up(min(hour + HOUR, now))
    days = sorted({floor(hour, MetricLevel.DAY) for hour in hours})
    for day in days[:-1]:
        MetricMark.objects.filter(pk="day").update(until=day)
        run_once(day + DAY)
