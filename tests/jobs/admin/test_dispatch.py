"""Dispatching any registered job from a form made from its signature."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.models import AuditEntry, Job, JobState
from tests.jobs.admin import form_jobs
from tests.jobs.factories import JobFactory

ADDS = "tests.jobs.sample_jobs.add"


def address(definition: str = ADDS, **query: str) -> str:
    return reverse("admin:jobs_job_dispatch") + f"?{urlencode({'definition': definition, **query})}"


def send(browser: Client, definition: str = ADDS, **values: Any) -> HttpResponse:
    """Fill in the form as it is shown, and send it."""
    page = browser.get(address(definition))
    job_id = page.context["form"]["job_id"].value()
    data = {"job_id": str(job_id), "delay_unit": "minutes"}
    return browser.post(address(definition), data | values)


def test_the_list_offers_what_is_registered_by_module_and_can_be_searched(boss: Client) -> None:
    page = boss.get(reverse("admin:jobs_job_dispatch")).text

    assert "tests.jobs.sample_jobs" in page
    assert "Take one value of each kind." in page
    assert form_jobs.hidden.path not in page
    found = boss.get(reverse("admin:jobs_job_dispatch") + "?q=numpy").text
    assert "described" in found
    assert "sample_jobs" not in found
    assert "No job has" in boss.get(reverse("admin:jobs_job_dispatch") + "?q=zzzz").text


@pytest.mark.parametrize(
    "name", ["os.system", "no.such", form_jobs.hidden.path, "\x00", ".", "..a.b"]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_only_registered_definitions_can_be_dispatched(
    boss: Client, name: str, method: str
) -> None:
    done = getattr(boss, method)(address(name))

    assert done.status_code == 302
    assert "can be dispatched" in " ".join(map(str, get_messages(done.wsgi_request)))
    assert not Job.objects.exists()


def test_a_name_in_a_request_imports_nothing(
    boss: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "unwanted.py").write_text("raise SystemExit('imported')\n")

    boss.get(address("unwanted.thing"))
    boss.post(address("unwanted.thing"))
    boss.post(reverse("admin:jobs_jobschedule_add"), {"definition": "unwanted.thing"})
    boss.post(
        reverse("admin:django_q_schedule_add"), {"func": "unwanted.thing", "hook": "unwanted.x"}
    )

    assert "unwanted" not in sys.modules


def test_a_copy_of_a_job_is_offered_where_its_module_was_not_imported_yet(
    boss: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "elsewhere.py").write_text(
        "from jobs import job\n\n@job\ndef there() -> None:\n    pass\n"
    )
    job = JobFactory(definition="elsewhere.there", arguments={"args": [], "kwargs": {}})

    assert boss.get(address("elsewhere.there", like=str(job.pk))).status_code == 200


def test_no_copy_is_offered_of_a_job_that_serves_others(boss: Client) -> None:
    job = JobFactory(definition=form_jobs.hidden.path, arguments={"args": [], "kwargs": {}})

    page = boss.get(reverse("admin:jobs_job_change", args=[job.pk]))

    assert "Dispatch a copy" not in page.text


def test_the_form_shows_types_defaults_and_help(boss: Client) -> None:
    page = boss.get(address(form_jobs.everything.path)).text

    assert "How many there are, on two lines." in page
    assert 'type="date"' in page
    assert "ai (the definition&#x27;s)" in page


def test_a_job_is_dispatched_recorded_and_linked(boss: Client) -> None:
    done = send(boss, **{"argument-a": "3", "argument-b": "0", "reason": "by hand"})

    job = Job.objects.get()
    assert done.headers["Location"] == reverse("admin:jobs_job_change", args=[job.pk])
    assert job.arguments == {"args": [], "kwargs": {"a": 3}}
    assert (job.state, job.queue, job.priority) == (JobState.READY, "default", 0)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.reason) == ("dispatch", ADDS, "by hand")
    assert entry.after["job"] == str(job.pk)


def test_queue_priority_and_delay_can_be_chosen(boss: Client) -> None:
    send(
        boss,
        **{"argument-a": "3", "queue": "low", "priority": "-5"},
        delay="1.5",
        delay_unit="hours",
    )

    job = Job.objects.get()
    assert (job.state, job.queue, job.priority) == (JobState.SCHEDULED, "low", -5)
    assert job.due_at is not None
    assert abs(job.due_at - timezone.now() - dt.timedelta(hours=1.5)) < dt.timedelta(minutes=1)


def test_a_job_can_be_dispatched_for_a_time(boss: Client) -> None:
    moment = timezone.localtime(timezone.now() + dt.timedelta(days=1)).replace(microsecond=0)

    send(boss, **{"argument-a": "3", "run_at": f"{moment:%Y-%m-%dT%H:%M:%S}"})

    assert Job.objects.get().due_at == moment


@pytest.mark.parametrize(
    ("values", "field", "why"),
    [
        ({"argument-a": "three"}, "a", "whole number"),
        ({}, "a", "required"),
        ({"argument-a": "3", "priority": "101"}, "priority", "100"),
        ({"argument-a": "3", "queue": "nowhere"}, "queue", "valid choice"),
        ({"argument-a": "3", "delay": "-1"}, "delay", "0"),
        ({"argument-a": "3", "delay": "inf"}, "delay", "number"),
        ({"argument-a": "3", "delay": "1e300"}, "delay", "ten years"),
        ({"argument-a": "3", "run_at": "2020-01-01T00:00"}, "run_at", "has passed"),
        ({"argument-a": "3", "delay": "1", "run_at": "2099-01-01T00:00"}, "run_at", "not both"),
        ({"argument-a": "3", "run_at": "9999-12-31T23:59:59-14:00"}, "run_at", "9998"),
        ({"argument-a": "3", "job_id": "seven"}, "job_id", "valid UUID"),
        ({"argument-a": "3", "job_id": "00000000-0000-0000-0000-000000000000"}, "job_id", "anew"),
        ({"argument-a": "3", "job_id": "f1a20603-468b-7898-9934-e2b6f5a67d9f"}, "job_id", "anew"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_dispatched(
    boss: Client, values: dict[str, str], field: str, why: str
) -> None:
    page = send(boss, **values)

    assert page.status_code == 200
    found = {**page.context["form"].errors, **page.context["arguments_form"].errors}  # type: ignore[attr-defined]
    assert why in " ".join(found[field]), found
    assert not Job.objects.exists()
    assert not AuditEntry.objects.exists()


def test_what_was_typed_stays_when_something_is_wrong(boss: Client) -> None:
    page = send(boss, **{"argument-a": "three", "argument-b": "17", "reason": "because"}).text  # type: ignore[attr-defined]

    for typed in ("three", "17", "because"):
        assert f'value="{typed}"' in page


def test_a_form_that_is_sent_twice_dispatches_one_job(boss: Client) -> None:
    data = {"job_id": "0190a000-0000-7000-8000-000000000001", "argument-a": "3"}

    boss.post(address(), data)
    again = boss.post(address(), data)

    assert Job.objects.count() == 1
    assert AuditEntry.objects.count() == 1
    assert "was sent before" in " ".join(map(str, get_messages(again.wsgi_request)))


def test_a_copy_of_a_job_starts_from_its_arguments(boss: Client) -> None:
    job = JobFactory(queue="low", arguments={"args": [41], "kwargs": {"b": 2}})

    page = boss.get(reverse("admin:jobs_job_change", args=[job.pk]))
    form = boss.get(page.context["copy_url"])

    assert form.context["arguments_form"]["a"].value() == 41
    assert form.context["form"]["queue"].value() == "low"


def test_tags_that_a_definition_computes_are_stored(boss: Client) -> None:
    send(boss, "tests.jobs.sample_jobs.tagged", **{"argument-event_id": "7"})

    job = Job.objects.get()
    assert set(job.tags.values_list("name", flat=True)) == {"webhook", "webhook:7"}
    assert (job.queue, job.priority) == ("webhooks", 20)
