"""schedule_list, schedule_run, schedule_sync."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import AuditEntry, Job, JobSchedule
from jobs.schedules import Cron, declare
from jobs.scheduling import declarations
from jobs.scheduling.tick import run_once
from tests.jobs.sample_jobs import add
from tests.jobs.scheduling.making import at, make_schedule

NOON = at("2026-03-01 12:00")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_declarations")]


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


class TestList:
    def test_it_says_so_when_there_are_none(self) -> None:
        assert run("schedule_list") == "There are no schedules.\n"
        assert run_json("schedule_list") == []

    def test_each_schedule_is_one_line_in_its_own_zone(self) -> None:
        make_schedule("b", cron="30 2 * * *", timezone="Europe/Rome", next_run_at=NOON)
        make_schedule("a", enabled=False)
        lines = run("schedule_list").splitlines()
        assert [line.split()[0] for line in lines] == ["schedule", "a", "b"]
        assert "paused" in lines[1]
        assert "Every day at 02:30" in lines[2]
        assert "2026-03-01 13:00:00+0100 (due)" in lines[2]

    def test_json_has_the_next_run_and_the_last_job(self) -> None:
        make_schedule(next_run_at=NOON)
        run_once(NOON)
        [facts] = run_json("schedule_list")
        assert facts["words"] == "Every minute"
        assert facts["next_run_at"] == "2026-03-01T12:01:00+00:00"
        assert facts["last_run_at"] == "2026-03-01T12:00:00+00:00"
        assert facts["last_job"] == str(Job.objects.get().pk)
        assert facts["last_state"] == "ready"
        assert (facts["enabled"], facts["error"]) == (True, "")

    def test_an_error_is_shown_with_its_schedule(self) -> None:
        make_schedule("fails", next_run_at=NOON)
        make_schedule("unreadable", next_run_at=at("2090-01-01 00:00"))
        JobSchedule.objects.filter(name="fails").update(definition="gone")
        JobSchedule.objects.filter(name="unreadable").update(timezone="Nowhere")
        run_once(NOON)
        errors = {facts["name"]: facts["error"] for facts in run_json("schedule_list")}
        assert errors["fails"].startswith("UnknownDefinition")
        assert "Nowhere" in errors["unreadable"]
        assert run("schedule_list").count(" is in error: ") == 2

    def test_it_takes_as_many_queries_for_twenty_as_for_one(self) -> None:
        for number in range(20):
            make_schedule(str(number))
        with CaptureQueriesContext(connection) as queries:
            run("schedule_list")
        # The schedules with their last jobs, and the time.
        assert len(queries) <= 2


class TestRun:
    def test_it_enqueues_the_named_schedules_and_is_audited(self) -> None:
        for name in ("a", "b", "c"):
            make_schedule(name)
        facts = run_json("schedule_run", "a", "b", "a", "--reason", "again")
        jobs = {str(job.pk): job.schedule.name for job in Job.objects.select_related("schedule")}
        assert {jobs[job]: name for name, job in facts["enqueued"].items()} == {"a": "a", "b": "b"}
        entries = AuditEntry.objects.filter(action="run schedule", reason="again")
        assert set(entries.values_list("surface", flat=True)) == {"command"}
        assert entries.count() == 2

    def test_a_dry_run_says_what_would_be_enqueued(self) -> None:
        make_schedule("nightly")
        assert run("schedule_run", "nightly", "--dry-run") == "nightly: would be enqueued\n"
        assert not Job.objects.exists()

    def test_an_unknown_name_enqueues_nothing(self) -> None:
        make_schedule("nightly")
        with pytest.raises(
            CommandError, match=r"no schedule 'nightli'\. Did you mean 'nightly'\?"
        ) as caught:
            run("schedule_run", "nightly", "nightli")
        assert caught.value.returncode == 2
        assert not Job.objects.exists()

    def test_one_that_cannot_run_is_told_of_after_the_others_have_run(self) -> None:
        make_schedule("a")
        make_schedule("z")
        JobSchedule.objects.filter(name="a").update(definition="gone")
        with pytest.raises(CommandError, match="a: No job definition 'gone'") as caught:
            run("schedule_run", "a", "z")
        assert caught.value.returncode == 1
        assert Job.objects.get().schedule.name == "z"


class TestSync:
    def test_it_creates_what_is_missing_and_then_has_nothing_to_say(self) -> None:
        declare("nightly", definition=add, rule=Cron("0 2 * * *"), arguments=[1])
        assert run("schedule_sync") == "nightly: created\n"
        assert run("schedule_sync") == "All declared schedules are as the code has them.\n"

    def test_it_shows_what_differs_and_changes_it_only_when_told_to(self) -> None:
        declare("nightly", definition=add, rule=Cron("0 2 * * *"), arguments=[1])
        run("schedule_sync")
        JobSchedule.objects.update(cron="0 9 * * *")
        expected = "nightly: cron: the code has '0 2 * * *', the database '0 9 * * *'\n"
        assert run("schedule_sync") == expected
        assert JobSchedule.objects.get().cron == "0 9 * * *"

        facts = run_json("schedule_sync", "--apply", "nightly")

        assert (facts["applied"], facts["differences"]) == (["nightly"], [])
        assert JobSchedule.objects.get().cron == "0 2 * * *"

    def test_all_applies_to_those_that_differ(self) -> None:
        for name in ("a", "b"):
            declare(name, definition=add, rule=Cron("0 2 * * *"), arguments=[1])
        run("schedule_sync")
        JobSchedule.objects.filter(name="b").update(priority=1)
        assert run_json("schedule_sync", "--all")["applied"] == ["b"]

    def test_check_changes_nothing_and_fails_while_something_differs(self) -> None:
        declare("nightly", definition=add, rule=Cron("0 2 * * *"), arguments=[1])
        with pytest.raises(CommandError, match="differs") as caught:
            run("schedule_sync", "--check")
        assert caught.value.returncode == 1
        assert run("schedule_sync", "--dry-run") == "nightly: would be created\n"
        assert not JobSchedule.objects.exists()
        run("schedule_sync")
        run("schedule_sync", "--check")

    def test_prune_deletes_those_whose_declaration_is_gone(self) -> None:
        declare("nightly", definition=add, rule=Cron("0 2 * * *"), arguments=[1])
        run("schedule_sync")
        declarations.forget("nightly")
        assert "its declaration is gone; it keeps running" in run("schedule_sync")
        assert run_json("schedule_sync", "--prune")["pruned"] == ["nightly"]
        assert not JobSchedule.objects.exists()

    def test_a_deleted_one_is_brought_back_by_its_name(self) -> None:
        declare("nightly", definition=add, rule=Cron("0 2 * * *"), arguments=[1])
        run("schedule_sync")
        JobSchedule.objects.all().delete()
        assert run("schedule_sync") == "nightly: was deleted (--apply brings it back)\n"
        assert run_json("schedule_sync", "--apply", "nightly")["dropped"] == []
        assert JobSchedule.objects.exists()

    def test_an_invalid_declaration_fails_after_the_others_were_created(self) -> None:
        declare("bad", definition=add, rule=Cron("0 2 * * *"))
        declare("good", definition=add, rule=Cron("0 2 * * *"), arguments=[1])
        with pytest.raises(CommandError, match=r"bad: .*missing a required argument"):
            run("schedule_sync")
        assert JobSchedule.objects.get().name == "good"

    def test_an_unknown_name_is_refused(self) -> None:
        with pytest.raises(CommandError, match="No schedule 'weekly' is declared") as caught:
            run("schedule_sync", "--apply", "weekly")
        assert caught.value.returncode == 2
