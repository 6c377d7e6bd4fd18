"""Schedules in tests: declared ones are valid, and run at their times by the test's clock."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from jobs.models import Job
from jobs.schedules import Cron, Every, Once, declare
from jobs.testing import assert_schedules_valid, drain, fake_jobs, frozen_clock, run_schedules
from tests.jobs.scheduling.conftest import no_declarations
from tests.jobs.testing.kit_jobs import note

__all__ = ["no_declarations"]

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def declare_note(name: str, rule: Any = None, **fields: Any) -> None:
    """A schedule of `note`, by default every hour."""
    values = {"arguments": {"what": name}, **fields}
    declare(name, definition=note, rule=rule or Every(hours=1), **values)


def test_those_of_this_site_are_valid() -> None:
    assert_schedules_valid()


@pytest.mark.usefixtures("no_declarations")
class TestDeclared:
    def test_valid_ones_pass_without_a_database(self) -> None:
        declare_note("nightly", Cron("0 2 * * *"))
        declare_note("hourly")
        declare_note("long ago", Once(dt.datetime(2020, 1, 1, tzinfo=dt.UTC)))
        assert_schedules_valid()

    def test_each_that_is_not_is_named_with_its_fault(self) -> None:
        declare_note("fine")
        declare_note("wrong arguments", arguments={"what": "a", "wat": 1})
        declare_note("wrong queue", queue="nobody serves it")
        declare("wrong definition", definition="tests.gone", rule=Every(hours=1))
        with pytest.raises(AssertionError) as refused:
            assert_schedules_valid()
        said = str(refused.value).splitlines()
        assert said[0] == "3 declared schedules are not valid:"
        assert said[1].startswith("  wrong arguments: ")
        assert "wat" in said[1]
        assert said[2] == ("  wrong definition: No job definition 'tests.gone' is registered.")
        assert said[3].startswith("  wrong queue: queue: 'nobody serves it': no pool serves it")
        assert len(said) == 4


@pytest.mark.usefixtures("no_declarations", "ran")
@pytest.mark.django_db
class TestRunning:
    def test_they_run_at_their_times_by_the_clock(self, ran: list[Any]) -> None:
        declare_note("half past", Cron("30 * * * *"))
        with frozen_clock(NOON) as clock:
            assert run_schedules().enqueued == 0
            clock.advance(dt.timedelta(minutes=29, seconds=59))
            assert run_schedules().enqueued == 0
            clock.advance(1)
            assert run_schedules().enqueued == 1
            assert run_schedules().enqueued == 0
            drain()
        assert ran == ["half past"]
        job = Job.objects.get()
        assert job.slot_at == job.enqueued_at == NOON + dt.timedelta(minutes=30)

    def test_their_jobs_can_be_faked(self) -> None:
        declare_note("hourly")
        with frozen_clock(NOON) as clock, fake_jobs() as jobs:
            run_schedules()
            clock.advance(dt.timedelta(hours=1))
            run_schedules()
        jobs.assert_pushed(note, times=1, kwargs={"what": "hourly"})
        assert not Job.objects.exists()
