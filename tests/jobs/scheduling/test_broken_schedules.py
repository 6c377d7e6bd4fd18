"""A schedule in error: it says why, stops no other, and runs once it is mended."""

from __future__ import annotations

import datetime as dt
from unittest import mock

import pytest
from django.db import IntegrityError

from jobs import dispatch
from jobs.models import Job, JobSchedule
from jobs.scheduling.tick import SlotReport, next_due, run_once
from tests.jobs.scheduling.making import at, make_schedule, slots_of

NOON = at("2026-03-01 12:00")
SECOND = dt.timedelta(seconds=1)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)

pytestmark = pytest.mark.django_db


class TestBrokenSchedules:
    @pytest.mark.parametrize(
        ("field", "value", "told"),
        [
            ("definition", "tests.jobs.sample_jobs.gone", "gone"),
            ("definition", "os.system", "os.system"),
            ("arguments", {"args": ["one"], "kwargs": {}}, "a:"),
            ("arguments", {"kwargs": {"a": 1, "c": 1}}, "'c'"),
            ("arguments", "not a call", "arguments"),
            ("cron", "61 * * * *", "61"),
            ("timezone", "Europe/Roma", "Europe/Rome"),
        ],
    )
    def test_a_broken_one_shows_why_and_does_not_stop_the_others(
        self, field: str, value: object, told: str
    ) -> None:
        broken = make_schedule("broken", next_run_at=NOON)
        JobSchedule.objects.filter(pk=broken.pk).update(**{field: value})
        good = [make_schedule(name, next_run_at=NOON) for name in ("a", "z")]

        assert run_once(NOON) == SlotReport(enqueued=2, broken=1)

        broken.refresh_from_db()
        assert told in broken.last_error
        assert (broken.enabled, broken.next_run_at) == (True, NOON)
        assert broken.retry_at == NOON + 10 * SECOND
        assert set(Job.objects.values_list("schedule", flat=True)) == {one.pk for one in good}

    def test_it_is_tried_again_ever_more_rarely(self) -> None:
        broken = make_schedule("broken", cron="0 * * * *", next_run_at=NOON)
        JobSchedule.objects.update(definition="tests.jobs.sample_jobs.gone")
        waits, moment = [], NOON
        for _ in range(9):
            assert run_once(moment).broken == 1
            broken.refresh_from_db()
            assert broken.retry_at is not None
            assert not run_once(broken.retry_at - SECOND)
            waits.append((broken.retry_at - moment).total_seconds())
            moment = broken.retry_at
        assert waits == [10, 10, 20, 40, 80, 160, 320, 600, 600]

    def test_once_mended_its_time_is_not_lost_and_the_error_goes(self) -> None:
        broken = make_schedule("broken", cron="0 * * * *", next_run_at=NOON)
        JobSchedule.objects.update(definition="tests.jobs.sample_jobs.gone")
        run_once(NOON)
        broken.refresh_from_db()

        broken.definition = "tests.jobs.sample_jobs.add"
        broken.save()

        assert broken.retry_at is None
        assert run_once(NOON + 5 * SECOND) == SlotReport(enqueued=1)
        broken.refresh_from_db()
        assert slots_of(broken) == [NOON]
        assert (broken.last_error, broken.retry_at) == ("", None)

    def test_one_that_the_database_refuses_does_not_stop_the_others(self) -> None:
        for name in ("a", "bad", "z"):
            make_schedule(name, next_run_at=NOON)
        bad = JobSchedule.objects.get(name="bad")
        insert = dispatch.insert

        def refuse(jobs: list[dispatch.NewJob]) -> object:
            if any(job.schedule_id == bad.pk for job in jobs):
                raise IntegrityError("this row breaks a rule")
            return insert(jobs)

        with mock.patch.object(dispatch, "insert", refuse):
            assert run_once(NOON) == SlotReport(enqueued=2, broken=1)
        bad.refresh_from_db()
        assert bad.last_error == "IntegrityError: this row breaks a rule"
        assert slots_of(bad) == []

    def test_a_schedule_in_error_does_not_hide_when_the_next_one_is_due(self) -> None:
        make_schedule("broken", next_run_at=NOON)
        JobSchedule.objects.update(definition="gone")
        run_once(NOON)
        make_schedule("good", next_run_at=NOON + HOUR)
        assert next_due() == NOON + HOUR
