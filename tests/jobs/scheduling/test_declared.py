"""Schedules that the code declares: created once, then the admin's."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.test import override_settings

from jobs.audit import Actor
from jobs.exceptions import InvalidOption
from jobs.models import AuditEntry, DroppedDeclaration, JobSchedule
from jobs.schedules import Cron, Every, Once, declare
from jobs.scheduling import declarations, declared
from jobs.scheduling.declared import create_missing, differences
from tests.jobs.sample_jobs import add, plain
from tests.jobs.scheduling.making import ADD, at, make_schedule

ACTOR = Actor.of_code("a test")
HOUR = dt.timedelta(hours=1)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_declarations")]


def declare_nightly(name: str = "nightly", **changes: Any) -> None:
    """Declare it, in place of an earlier declaration of the name."""
    declarations.forget(name)
    values: dict[str, Any] = {
        "definition": add,
        "rule": Cron("0 2 * * *"),
        "arguments": {"a": 1},
        **changes,
    }
    declare(name, **values)


class TestDeclaring:
    def test_the_fields_of_a_declaration_become_those_of_the_schedule(self) -> None:
        declare(
            "everything",
            definition=add,
            rule=Cron("30 2 * * *", timezone="Europe/Rome"),
            arguments={"a": 1, "b": 2},
            queue="low",
            priority=-5,
            no_overlap=True,
            missed="all",
            missed_limit=7,
            grace=HOUR,
            jitter=dt.timedelta(minutes=5),
            dst_gap="skip",
            dst_overlap="twice",
            enabled=False,
            notes="why",
        )
        create_missing()
        stored = JobSchedule.objects.values().get()
        assert (
            stored
            | {
                "name": "everything",
                "declared_as": "everything",
                "definition": ADD,
                "arguments": {"args": [], "kwargs": {"a": 1, "b": 2}},
                "kind": "cron",
                "cron": "30 2 * * *",
                "timezone": "Europe/Rome",
                "dst_gap": "skip",
                "dst_overlap": "twice",
                "missed": "all",
                "missed_limit": 7,
                "grace": HOUR,
                "jitter": dt.timedelta(minutes=5),
                "no_overlap": True,
                "queue": "low",
                "priority": -5,
                "enabled": False,
                "notes": "why",
                "next_run_at": None,
            }
            == stored
        )

    @override_settings(TIME_ZONE="Asia/Tokyo")
    def test_the_zone_is_the_sites_unless_it_is_named(self) -> None:
        declare_nightly("site")
        declare_nightly("named", rule=Every(days=1, timezone="Europe/Rome"))
        create_missing()
        zones = dict(JobSchedule.objects.values_list("name", "timezone"))
        assert zones == {"site": "Asia/Tokyo", "named": "Europe/Rome"}

    def test_intervals_single_times_positional_arguments_and_plain_tasks_can_be_declared(
        self,
    ) -> None:
        moment = dt.datetime(2090, 7, 1, 2, 30, tzinfo=ZoneInfo("Europe/Rome"))
        declare("interval", definition=plain, rule=Every(minutes=15), arguments=["word"])
        declare("duration", definition=ADD, rule=Every(HOUR, minutes=30), arguments=[1, 2])
        declare("single", definition=add, rule=Once(moment), arguments=[1])
        assert create_missing().created == ["duration", "interval", "single"]
        rows = {row.name: row for row in JobSchedule.objects.all()}
        assert rows["interval"].every == dt.timedelta(minutes=15)
        assert rows["interval"].arguments == {"args": ["word"], "kwargs": {}}
        assert rows["duration"].every == dt.timedelta(minutes=90)
        assert (rows["single"].run_at, rows["single"].timezone) == (moment, "Europe/Rome")
        assert rows["single"].next_run_at == moment

    def test_a_name_that_is_declared_twice_is_refused_and_both_places_are_told(self) -> None:
        declare_nightly()
        with pytest.raises(InvalidOption, match=r"'nightly'.*declared in .*test_declared.* again"):
            declare("nightly", definition=add, rule=Every(hours=1))

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"rule": Cron("61 * * * *")}, "cron: '61"),
            ({"rule": Cron("0 0 * * *", timezone="Europe/Roma")}, "did you mean Europe/Rome"),
            ({"rule": Every()}, "every"),
            ({"rule": Once(dt.datetime(2026, 1, 1))}, "needs a time zone"),
            ({"rule": "0 2 * * *"}, "rule"),
            ({"definition": len}, "definition"),
            ({"arguments": "a=1"}, "arguments"),
            ({"missed": "never"}, "missed: 'never': must be one of skip, once, all"),
            ({"dst_gap": "once"}, "dst_gap"),
            ({"dst_overlap": "skip"}, "dst_overlap"),
            ({"grace": 60}, "grace: 60: must be a timedelta"),
            ({"jitter": -HOUR}, "jitter"),
            ({"missed_limit": 0}, "missed_limit"),
            ({"priority": 101}, "priority"),
            ({"queue": "q" * 65}, "queue"),
            ({"enabled": "yes"}, "enabled"),
            ({"no_overlap": 1}, "no_overlap"),
        ],
    )
    def test_what_is_wrong_is_told_where_it_is_declared(
        self, changes: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(InvalidOption) as caught:
            declare_nightly(**changes)
        assert "schedule 'nightly'" in str(caught.value)
        assert told in str(caught.value)
        assert declarations.find("nightly") is None

    @pytest.mark.parametrize("name", ["", " ", "n" * 151, 7])
    def test_a_name_is_text(self, name: Any) -> None:
        with pytest.raises(InvalidOption):
            declare_nightly(name)


class TestCreating:
    def test_it_is_created_once_planned_and_then_left_alone(self) -> None:
        declare_nightly()
        assert create_missing().created == ["nightly"]
        JobSchedule.objects.update(cron="0 5 * * *", notes="mine", enabled=False)
        assert create_missing().created == []
        schedule = JobSchedule.objects.get()
        assert (schedule.cron, schedule.notes, schedule.enabled) == ("0 5 * * *", "mine", False)

    def test_it_runs_from_when_it_was_created(self) -> None:
        declare_nightly()
        create_missing()
        schedule = JobSchedule.objects.get()
        assert schedule.next_run_at is not None
        assert schedule.next_run_at > schedule.created_at

    def test_one_that_was_renamed_in_the_admin_is_still_the_same(self) -> None:
        declare_nightly()
        create_missing()
        JobSchedule.objects.update(name="renamed")
        assert create_missing().created == []
        assert JobSchedule.objects.count() == 1

    def test_one_that_was_deleted_stays_away_until_it_is_asked_for(self) -> None:
        declare_nightly()
        create_missing()
        JobSchedule.objects.all().delete()
        report = create_missing()
        assert (report.created, report.dropped) == ([], ["nightly"])
        assert declared.dropped() == ["nightly"]

        assert declared.apply(["nightly"], ACTOR) == ["nightly"]

        assert JobSchedule.objects.get().declared_as == "nightly"
        assert declared.dropped() == []

    def test_a_schedule_that_was_never_declared_leaves_nothing_behind_when_deleted(self) -> None:
        make_schedule().delete()
        assert not DroppedDeclaration.objects.exists()

    def test_an_invalid_declaration_is_told_of_and_does_not_stop_the_others(self) -> None:
        declare_nightly("bad call", arguments={"z": 1})
        declare_nightly("bad queue", queue="slow")
        declare_nightly("gone", definition="tests.jobs.sample_jobs.gone")
        declare_nightly("fine")
        report = create_missing()
        assert report.created == ["fine"]
        assert set(report.invalid) == {"bad call", "bad queue", "gone"}
        assert "'a'" in report.invalid["bad call"]
        assert "queue" in report.invalid["bad queue"]

    def test_a_name_that_another_schedule_has_is_told_of(self) -> None:
        make_schedule("nightly")
        declare_nightly()
        report = create_missing()
        assert (report.created, report.taken) == ([], ["nightly"])
        with pytest.raises(ValidationError, match="another schedule has this name"):
            declared.apply(["nightly"], ACTOR)

    def test_a_single_time_that_has_passed_is_created_disabled(self) -> None:
        declare_nightly(rule=Once(at("2020-01-01 00:00")))
        assert create_missing().created == ["nightly"]
        assert not JobSchedule.objects.get().enabled
        assert differences() == []

    def test_a_dry_run_creates_nothing(self) -> None:
        declare_nightly()
        assert create_missing(dry_run=True).created == ["nightly"]
        assert not JobSchedule.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_several_clusters_that_start_at_once_create_it_once(self) -> None:
        declare_nightly("a")
        declare_nightly("b")
        together = threading.Barrier(4)
        errors: list[BaseException] = []
        insert = declared._insert

        def insert_together(rows: list[JobSchedule]) -> list[str]:
            together.wait(30)
            return insert(rows)

        def start() -> None:
            try:
                create_missing()
            except BaseException as error:
                errors.append(error)
            finally:
                connections.close_all()

        with mock.patch.object(declared, "_insert", insert_together):
            threads = [threading.Thread(target=start) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)

        assert not errors
        assert sorted(JobSchedule.objects.values_list("name", flat=True)) == ["a", "b"]


class TestDifferences:
    def test_there_are_none_after_it_was_created(self) -> None:
        declare_nightly(arguments=None, definition="tests.jobs.sample_jobs.busy")
        create_missing()
        JobSchedule.objects.update(arguments={})
        assert differences() == []

    def test_each_field_that_differs_is_told(self) -> None:
        declare_nightly()
        create_missing()
        declare_nightly(rule=Cron("0 3 * * *"), priority=9)
        JobSchedule.objects.update(enabled=False)
        told = {item.field: (item.declared, item.stored) for item in differences()}
        assert told == {
            "cron": ("0 3 * * *", "0 2 * * *"),
            "priority": (9, None),
            "enabled": (True, False),
        }

    def test_what_only_the_admin_has_is_no_difference(self) -> None:
        declare_nightly()
        create_missing()
        JobSchedule.objects.update(name="renamed", starts_at=at("2026-01-01 00:00"))
        assert differences() == []

    def test_applying_makes_it_as_the_code_has_it_and_is_audited(self) -> None:
        declare_nightly()
        create_missing()
        declare_nightly(rule=Cron("0 3 * * *"))
        assert declared.apply(["nightly"], ACTOR, "moved") == ["nightly"]
        assert declared.apply(["nightly"], ACTOR) == []
        schedule = JobSchedule.objects.get()
        assert schedule.cron == "0 3 * * *"
        assert schedule.next_run_at is not None
        assert schedule.next_run_at.hour == 3
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.reason) == ("apply declaration", "moved")
        assert (entry.before, entry.after) == ({"cron": "0 2 * * *"}, {"cron": "0 3 * * *"})

    def test_a_declaration_that_fits_its_definition_no_more_is_a_difference(self) -> None:
        declare_nightly()
        create_missing()
        declare_nightly(arguments={"z": 1})
        assert [item.field for item in differences()] == ["arguments"]

    def test_an_unknown_name_is_refused_before_anything_is_applied(self) -> None:
        declare_nightly()
        with pytest.raises(LookupError, match="weekly"):
            declared.apply(["nightly", "weekly"], ACTOR)
        assert not JobSchedule.objects.exists()


class TestOrphans:
    def test_a_schedule_whose_declaration_is_gone_keeps_running_until_it_is_pruned(self) -> None:
        make_schedule("by hand")
        for name in ("stays", "goes"):
            declare_nightly(name)
        create_missing()
        declarations.forget("goes")
        assert [schedule.name for schedule in declared.orphans()] == ["goes"]
        assert create_missing().created == []

        assert declared.prune(ACTOR, "not needed") == ["goes"]

        assert declared.prune(ACTOR) == []
        assert set(JobSchedule.objects.values_list("name", flat=True)) == {"stays", "by hand"}
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.target, entry.count) == ("prune schedules", "goes", 1)

    def test_one_that_was_pruned_comes_back_with_its_declaration(self) -> None:
        declare_nightly()
        create_missing()
        declarations.forget("nightly")
        declared.prune(ACTOR)
        declare_nightly()
        assert create_missing().created == ["nightly"]
