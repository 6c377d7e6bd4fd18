"""Adding, editing and deleting schedules in the admin."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.models import AuditEntry, Job, JobSchedule, ScheduleSlot, SlotOutcome
from tests.jobs.admin.conftest import BrowserOf
from tests.jobs.factories import JobFactory, ago

ADD = "admin:jobs_jobschedule_add"
CHANGE = "admin:jobs_jobschedule_change"
ADDS = "tests.jobs.sample_jobs.add"
TAKES_ALL_DEFAULTS = "tests.jobs.admin.form_jobs.defaults"

FILLED: dict[str, str] = {
    "name": "nightly", "definition": ADDS, "arguments-of": ADDS, "argument-a": "4",
    "argument-b": "0", "enabled": "on", "kind": "cron", "cron": "0 3 * * *",
    "timezone": "Europe/Rome", "dst_gap": "next_valid", "dst_overlap": "once", "missed": "once",
    "missed_limit": "100", "grace": "00:01:00", "jitter": "00:00:00",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _registered() -> None:
    from tests.jobs.admin import form_jobs

    assert form_jobs.defaults.path == TAKES_ALL_DEFAULTS


def errors(page: HttpResponse) -> dict[str, list[str]]:
    assert page.status_code == 200, page
    form = page.context["adminform"].form  # type: ignore[attr-defined]
    return {**form.errors, **(form.arguments_form.errors if form.arguments_form else {})}


def make(**values: Any) -> JobSchedule:
    defaults: dict[str, Any] = {
        "name": "nightly", "definition": ADDS, "cron": "0 3 * * *",
        "arguments": {"args": [], "kwargs": {"a": 4}}, "timezone": "Europe/Rome",
    }  # fmt: skip
    return JobSchedule.objects.create(**(defaults | values))


def test_a_schedule_is_added_with_typed_arguments_and_planned(boss: Client) -> None:
    done = boss.post(reverse(ADD), FILLED)

    assert done.status_code == 302, errors(done)
    schedule = JobSchedule.objects.get()
    assert schedule.arguments == {"args": [], "kwargs": {"a": 4}}
    assert schedule.next_run_at is not None
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target) == ("add schedule", "nightly")
    assert entry.after["cron"] == "0 3 * * *"


def test_saving_what_is_shown_changes_nothing(boss: Client) -> None:
    schedule = make(arguments={"args": [4], "kwargs": {}})
    before = JobSchedule.objects.filter(pk=schedule.pk).values().get()

    done = boss.post(reverse(CHANGE, args=[schedule.pk]), FILLED | {"argument-a": "4"})

    assert done.status_code == 302
    after = JobSchedule.objects.filter(pk=schedule.pk).values().get()
    changed = {name for name in after if before[name] != after[name]}
    # The same call, by name instead of by position.
    assert changed <= {"updated_at", "arguments"}
    assert after["arguments"] == {"args": [], "kwargs": {"a": 4}}


def test_an_argument_that_was_given_stays_given_though_it_is_the_default(boss: Client) -> None:
    given = {"args": [], "kwargs": {"count": 3}}
    schedule = make(definition=TAKES_ALL_DEFAULTS, arguments=given)
    typed = FILLED | {"definition": TAKES_ALL_DEFAULTS, "arguments-of": TAKES_ALL_DEFAULTS}
    shown = {
        "argument-count": "3", "argument-ratio": "0.5", "argument-sure": "true",
        "argument-name": "Ada", "argument-mode": '"fast"', "argument-maybe": "",
        "argument-limit": "10", "argument-numbers": "",
    }  # fmt: skip

    done = boss.post(reverse(CHANGE, args=[schedule.pk]), typed | shown)

    assert done.status_code == 302, errors(done)
    schedule.refresh_from_db()
    assert schedule.arguments == given


@pytest.mark.parametrize(
    ("changes", "field", "why"),
    [
        ({"cron": "61 * * * *"}, "cron", "61"),
        ({"cron": ""}, "cron", "is needed"),
        ({"kind": "interval", "every": ""}, "every", "is needed"),
        ({"kind": "interval", "every": "00:00:00.5"}, "every", "one second"),
        ({"kind": "once"}, "run_at", "is needed"),
        ({"kind": "once", "run_at_0": "2020-01-01", "run_at_1": "00:00"}, "run_at", "never runs"),
        ({"timezone": "Europe/Atlantis"}, "timezone", "valid choice"),
        ({"queue": "nowhere"}, "queue", "valid choice"),
        ({"priority": "101"}, "priority", "100"),
        ({"priority": "-101"}, "priority", "-100"),
        ({"grace": "-1"}, "grace", "negative"),
        ({"grace": "999999999 00:00:00"}, "grace", "hundred years"),
        ({"kind": "once", "run_at_0": "9999-12-31", "run_at_1": "23:59"}, "run_at", "9998"),
        ({"starts_at_0": "9999-12-31", "starts_at_1": "23:59"}, "starts_at", "9998"),
        ({"missed_limit": "0"}, "missed_limit", "at least 1"),
        ({"jitter": "2 00:00:00"}, "jitter", "shorter"),
        ({"definition": "os.system", "arguments-of": "os.system"}, "definition", "valid choice"),
        ({"name": ""}, "name", "required"),
        ({"argument-a": "four"}, "a", "whole number"),
        ({"argument-a": ""}, "a", "required"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_saved(
    boss: Client, changes: dict[str, str], field: str, why: str
) -> None:
    page = boss.post(reverse(ADD), FILLED | changes)

    found = errors(page)
    assert why in " ".join(found[field]), found
    assert not JobSchedule.objects.exists()
    assert not AuditEntry.objects.exists()


def test_an_internal_definition_is_not_offered(boss: Client) -> None:
    hidden = "tests.jobs.admin.form_jobs.hidden"

    page = boss.post(reverse(ADD), FILLED | {"definition": hidden, "arguments-of": hidden})

    assert "definition" in errors(page)
    assert f'value="{hidden}"' not in boss.get(reverse(ADD)).text


def test_loading_the_arguments_of_another_definition_keeps_what_was_typed(boss: Client) -> None:
    typed = FILLED | {
        "definition": TAKES_ALL_DEFAULTS, "name": "half-typed", "cron": "not yet", "notes": "later",
        "_load_arguments": "1",
    }  # fmt: skip

    page = boss.post(reverse(ADD), typed)

    assert errors(page) == {}
    assert "half-typed" in page.text
    assert "not yet" in page.text
    assert 'name="argument-count"' in page.text
    assert '<input type="hidden" name="argument-a" value="4">' in page.text
    assert not JobSchedule.objects.exists()
    # And back again: nothing that was typed is lost.
    back = boss.post(reverse(ADD), typed | {"definition": ADDS, "arguments-of": TAKES_ALL_DEFAULTS})
    assert back.context["adminform"].form.arguments_form["a"].value() == "4"


def test_saving_another_definition_asks_for_its_arguments_first(boss: Client) -> None:
    schedule = make()

    page = boss.post(
        reverse(CHANGE, args=[schedule.pk]), FILLED | {"definition": TAKES_ALL_DEFAULTS}
    )

    assert "not shown yet" in errors(page)["definition"][0]
    assert 'name="argument-count"' in page.text
    schedule.refresh_from_db()
    assert schedule.definition == ADDS


def test_a_schedule_of_a_definition_that_is_gone_can_still_be_opened_and_says_so(
    boss: Client,
) -> None:
    schedule = make()
    JobSchedule.objects.filter(pk=schedule.pk).update(definition="gone.jobs.old")

    page = boss.get(reverse(CHANGE, args=[schedule.pk]))
    saved = boss.post(reverse(CHANGE, args=[schedule.pk]), FILLED | {"definition": "gone.jobs.old"})

    assert "gone.jobs.old is registered any more" in page.text
    assert "gone.jobs.old" in errors(saved)["definition"][0]


def test_arguments_that_no_longer_fit_are_shown_before_they_are_dropped(boss: Client) -> None:
    schedule = make()
    JobSchedule.objects.filter(pk=schedule.pk).update(
        arguments={"args": [], "kwargs": {"a": 1, "lost": "treasure"}}
    )

    page = boss.get(reverse(CHANGE, args=[schedule.pk])).text

    assert "no longer fit the function" in page
    assert "treasure" in page


def test_the_page_shows_the_rule_in_words_and_the_next_runs_with_clock_changes_marked(
    boss: Client,
) -> None:
    year = timezone.now().year + 1
    march = dt.datetime(year, 3, 20, tzinfo=dt.UTC)
    schedule = make(cron="30 2 * * *", starts_at=march)

    page = boss.get(reverse(CHANGE, args=[schedule.pk]))

    assert "Every day at 02:30 (Europe/Rome)" in page.text
    runs = page.context["runs"]
    assert len(runs) == 20
    (changed,) = [run for run in runs if run["note"]]
    assert "does not exist" in changed["note"]
    assert changed["local"].endswith("03:00:00 CEST")
    assert changed["utc"].endswith("01:00:00")


def test_a_time_that_a_clock_change_leaves_out_is_told_among_the_next_runs(boss: Client) -> None:
    march = dt.datetime(timezone.now().year + 1, 3, 20, tzinfo=dt.UTC)
    schedule = make(cron="30 2 * * *", starts_at=march, dst_gap="skip")

    runs = boss.get(reverse(CHANGE, args=[schedule.pk])).context["runs"]

    assert len(runs) == 21
    (left_out,) = [run for run in runs if run["note"]]
    assert left_out["note"] == "02:30 does not exist on this day: skipped"
    assert runs == sorted(runs, key=lambda run: run["local"][4:])


def test_the_history_tells_what_became_of_each_time(boss: Client) -> None:
    schedule = make()
    ran = JobFactory(state="succeeded", schedule=schedule, slot_at=ago(days=1))
    ScheduleSlot.objects.bulk_create(
        [
            ScheduleSlot(
                schedule=schedule, slot_at=ran.slot_at, outcome=SlotOutcome.ENQUEUED, job=ran
            ),
            ScheduleSlot(schedule=schedule, slot_at=ago(days=2), outcome=SlotOutcome.OVERLAP),
            ScheduleSlot(
                schedule=schedule, slot_at=ago(days=3), outcome=SlotOutcome.ENQUEUED, job_id=None
            ),
        ]
    )

    page = boss.get(reverse(CHANGE, args=[schedule.pk]))

    assert [bool(row["job"]) for row in page.context["history"]] == [True, False, False]
    assert "the previous run has not ended" in page.text
    assert "no longer in the ledger" in page.text


def test_an_error_of_the_clock_is_shown(boss: Client) -> None:
    schedule = make()
    JobSchedule.objects.filter(pk=schedule.pk).update(last_error="the queue is gone")

    assert "the queue is gone" in boss.get(reverse(CHANGE, args=[schedule.pk])).text
    assert "the queue is gone" in boss.get(reverse("admin:jobs_jobschedule_changelist")).text


def test_changing_the_kind_leaves_no_dead_rule_behind(boss: Client) -> None:
    schedule = make()

    boss.post(
        reverse(CHANGE, args=[schedule.pk]), FILLED | {"kind": "interval", "every": "00:15:00"}
    )

    schedule.refresh_from_db()
    assert (schedule.kind, schedule.cron) == ("interval", "")
    assert schedule.every == dt.timedelta(minutes=15)
    entry = AuditEntry.objects.get()
    assert entry.before["cron"] == "0 3 * * *"
    assert entry.after["every"] == "0:15:00"


def test_deleting_a_schedule_is_recorded_and_keeps_its_jobs(boss: Client) -> None:
    schedule, other = make(), make(name="other")
    job = JobFactory(schedule=schedule, slot_at=ago(days=1))
    ScheduleSlot.objects.create(
        schedule=schedule, slot_at=job.slot_at, outcome=SlotOutcome.ENQUEUED, job=job
    )

    boss.post(reverse("admin:jobs_jobschedule_delete", args=[schedule.pk]), {"post": "yes"})
    boss.post(
        reverse("admin:jobs_jobschedule_changelist"),
        {"action": "delete_selected", ACTION_CHECKBOX_NAME: str(other.pk), "post": "yes"},
    )

    assert not JobSchedule.objects.exists()
    assert Job.objects.filter(pk=job.pk).exists()
    targets = AuditEntry.objects.order_by("pk").values_list("action", "target")
    assert list(targets) == [("delete schedule", "nightly"), ("delete schedule", "other")]
    assert "no longer there" in boss.get(reverse("admin:jobs_job_change", args=[job.pk])).text


def test_a_viewer_sees_rule_arguments_and_runs_but_no_form(browser_of: BrowserOf) -> None:
    schedule = make(arguments={"args": [], "kwargs": {"a": 987654}})

    page = browser_of("view_jobschedule").get(reverse(CHANGE, args=[schedule.pk])).text

    assert "Every day at 03:00" in page
    assert "987654" in page
    assert "Next 20 runs" in page
    assert 'name="cron"' not in page
    assert 'name="argument-a"' not in page
    assert "_load_arguments" not in page
