"""Ticks of several clusters at once: each time is enqueued by one of them."""

from __future__ import annotations

import datetime as dt
import threading
from unittest import mock

import pytest
from django.db import connections

from jobs import dispatch
from jobs.models import Job, JobSchedule, ScheduleSlot
from jobs.scheduling.tick import SlotReport, run_once
from tests.jobs.scheduling.making import at, make_schedule, slots_of

NOON = at("2026-03-01 12:00")
SECOND = dt.timedelta(seconds=1)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
class TestSeveralClusters:
    def test_each_time_is_enqueued_by_one_of_them_for_two_minutes_with_one_dying(self) -> None:
        start = at("2090-01-01 00:00")
        schedule = make_schedule(cron="* * * * * *", next_run_at=start)
        errors: list[BaseException] = []
        together = threading.Barrier(2)

        def cluster(dies_after: int) -> None:
            try:
                for second in range(120):
                    if second == 60:
                        together.wait(60)
                    if second >= dies_after:
                        return
                    run_once(start + second * SECOND)
            except BaseException as error:
                errors.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=cluster, args=(limit,)) for limit in (61, 120)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)

        assert not errors
        expected = [start + second * SECOND for second in range(120)]
        assert slots_of(schedule) == expected
        jobs = Job.objects.filter(schedule=schedule).order_by("slot_at")
        assert list(jobs.values_list("slot_at", flat=True)) == expected

    def test_a_tick_that_dies_in_the_middle_leaves_its_times_to_the_next(self) -> None:
        make_schedule(next_run_at=NOON)

        class Killed(BaseException):
            pass

        with mock.patch.object(dispatch, "insert", side_effect=Killed), pytest.raises(Killed):
            run_once(NOON)
        assert not ScheduleSlot.objects.exists()
        assert run_once(NOON) == SlotReport(enqueued=1)

    @pytest.mark.postgresql
    def test_a_schedule_that_another_holds_is_left_to_it(self) -> None:
        held = make_schedule("held", next_run_at=NOON)
        make_schedule("free", next_run_at=NOON)
        holds, done = threading.Event(), threading.Event()

        def hold() -> None:
            from django.db import transaction

            with transaction.atomic():
                JobSchedule.objects.select_for_update().get(pk=held.pk)
                holds.set()
                done.wait(30)
            connections.close_all()

        thread = threading.Thread(target=hold)
        thread.start()
        assert holds.wait(30)
        try:
            assert run_once(NOON) == SlotReport(enqueued=1)
        finally:
            done.set()
            thread.join(30)
        assert run_once(NOON) == SlotReport(enqueued=1)
