"""The frozen clock: Python's and the database's time are the test's, and go on when it says so."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from jobs import pausing
from jobs.audit import Actor
from jobs.ledger import ledger
from jobs.models import Attempt, Job, JobState
from jobs.testing import FrozenClock, drain, frozen_clock
from tests.jobs.testing import kit_jobs
from tests.jobs.testing.kit_jobs import note

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)

pytestmark = [
    pytest.mark.usefixtures("ran"),
    pytest.mark.parametrize(
        "case",
        [
            pytest.param("TestCase", marks=pytest.mark.django_db),
            pytest.param("TransactionTestCase", marks=pytest.mark.django_db(transaction=True)),
        ],
    ),
]


def test_every_clock_stands_at_the_moment(case: str) -> None:
    Group.objects.create(name="any")
    with frozen_clock(NOON) as clock:
        assert timezone.now() == clock.now() == ledger().now() == NOON
        assert list(Group.objects.filter(name="any").values_list(Now())) == [(NOON,)]
        kit_jobs.tells_the_time.enqueue()
        (done,) = drain()
        done.assert_succeeded([NOON.isoformat()] * 2)
    assert timezone.now() - NOON > HOUR
    assert abs(ledger().now() - timezone.now()) < HOUR
    assert not connection.execute_wrappers


@pytest.mark.parametrize(
    "options", [{}, {"tags": ["a"]}, {"priority": 3}, {"run_after": HOUR}], ids=str
)
def test_each_way_into_the_ledger_goes_by_it(case: str, options: dict[str, Any]) -> None:
    with frozen_clock(NOON):
        note.using(**options).enqueue("one")
        note.using(**options).enqueue_many(["of", "many"])
    assert set(Job.objects.values_list("enqueued_at", flat=True)) == {NOON}
    due = {NOON + HOUR} if "run_after" in options else {None}
    assert set(Job.objects.values_list("due_at", flat=True)) == due


def test_a_delayed_job_runs_when_the_clock_has_been_moved_on(case: str) -> None:
    with frozen_clock(NOON) as clock:
        note.using(run_after=HOUR).enqueue("later")
        clock.advance(HOUR - dt.timedelta(microseconds=1))
        assert len(drain()) == 0
        assert clock.advance(dt.timedelta(microseconds=1)) == NOON + HOUR
        assert len(drain()) == 1
    attempt = Attempt.objects.get()
    assert (attempt.started_at, attempt.finished_at) == (NOON + HOUR, NOON + HOUR)


def test_a_retry_is_due_exactly_after_its_wait(case: str) -> None:
    with frozen_clock(NOON) as clock:
        result = kit_jobs.fails_until.enqueue(2)
        drain(raise_errors=False)
        job = Job.objects.get(pk=result.id)
        assert (job.life_cycle, job.due_at) == ("retrying", NOON + dt.timedelta(minutes=1))
        clock.advance(59)
        assert len(drain()) == 0
        clock.advance(1)
        assert drain().succeeded == 1


def test_the_end_of_a_pause_goes_by_it(case: str, ran: list[Any]) -> None:
    with frozen_clock(NOON) as clock:
        pausing.pause("default", Actor.of_code("a test"), until=NOON + HOUR)
        note.enqueue("a")
        assert len(drain()) == 0
        clock.advance(HOUR)
        assert len(drain()) == 1


def test_by_default_it_stands_at_the_present(case: str) -> None:
    before = timezone.now()
    with frozen_clock() as clock:
        assert before <= clock.now() <= before + HOUR
        assert timezone.now() == timezone.now()


def test_an_inner_clock_begins_where_the_outer_one_stands(case: str) -> None:
    with frozen_clock(NOON):
        with frozen_clock() as inner:
            inner.advance(HOUR)
            assert ledger().now() == timezone.now() == NOON + HOUR
        assert ledger().now() == timezone.now() == NOON


@pytest.mark.parametrize("back", [-1, dt.timedelta(seconds=-1)])
def test_it_does_not_go_back(case: str, back: Any, frozen_jobs_clock: FrozenClock) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        frozen_jobs_clock.advance(back)
    with pytest.raises(ValueError, match="must not be before"):
        frozen_jobs_clock.move_to(NOON - 1000 * dt.timedelta(days=1))


@pytest.mark.parametrize("moment", [dt.datetime(2026, 3, 1), "2026-03-01", dt.date(2026, 3, 1)])
def test_a_moment_has_a_time_zone(case: str, moment: Any) -> None:
    with (
        pytest.raises(ValueError, match="must be a datetime with a time zone"),
        frozen_clock(moment),
    ):
        pass


def test_another_time_zone_is_the_same_moment(case: str) -> None:
    eastern = dt.timezone(dt.timedelta(hours=-5))
    with frozen_clock(NOON.astimezone(eastern)) as clock:
        note.enqueue("a")
        assert clock.now().tzinfo is dt.UTC
    assert Job.objects.get().enqueued_at == NOON


def test_jobs_of_before_are_as_old_as_they_are(case: str) -> None:
    note.using(run_after=NOON + HOUR).enqueue("a")
    Job.objects.update(state=JobState.SCHEDULED, due_at=NOON + HOUR)
    with frozen_clock(NOON) as clock:
        assert len(drain()) == 0
        clock.move_to(NOON + 2 * HOUR)
        assert len(drain()) == 1
