"""What operators may do about limits, by code, by command and in the admin."""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.audit import Actor
from jobs.exceptions import InvalidOption, UnknownLimit
from jobs.execution import admission
from jobs.ledger import Ledger
from jobs.limits import operating
from jobs.models import AuditEntry, Job, Limit, LimitSlot
from jobs.registry import get
from jobs.transports.sync import run_due
from tests.jobs.limits import limited_jobs

SOMEONE = Actor.of_code("test")


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def rendering(ran: list[Any], book: Ledger) -> list[Any]:
    """Two jobs run and hold the two places, and two wait."""
    limited_jobs.renders.enqueue_many([1, 2, 3, 4])
    held = []
    for _ in range(4):
        (job,) = book.claim(worker_id=7, queues=["default"], limit=1)
        book.admit(job, admission.wants(get(job.definition), job))
        held.append(job)
    return held


def states() -> list[str]:
    return list(Job.objects.order_by("pk").values_list("state", flat=True))


def test_a_limit_that_is_raised_lets_those_who_wait_start_at_once(rendering: list[Any]) -> None:
    assert states() == ["running", "running", "blocked", "blocked"]
    operating.change("gpu", SOMEONE, amount=3, reason="a new card")
    assert states() == ["running", "running", "ready", "blocked"]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.reason) == ("change limit", "limit gpu", "a new card")
    assert (entry.before["amount"], entry.after["amount"]) == (2, 3)
    operating.follow_code("gpu", SOMEONE)
    assert Limit.objects.get().amount == 2
    assert Limit.objects.get().changed_at is None


def test_a_place_can_be_released_though_its_job_runs(rendering: list[Any]) -> None:
    slot = LimitSlot.objects.order_by("pk").first()
    assert slot is not None
    assert operating.release([slot.pk], SOMEONE, "it hangs") == 1
    assert states() == ["running", "running", "ready", "blocked"]
    assert AuditEntry.objects.get().after == {"jobs": [str(slot.job_id)]}
    assert operating.release([slot.pk], SOMEONE) == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"amount": 0}, "amount: 0: must be a whole number of at least 1"),
        ({"amount": True}, "amount: True"),
        ({"period": dt.timedelta(1)}, "a limit on jobs at once has no period"),
        ({"burst": 2}, "belongs to a limit of the kind bucket"),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    rendering: list[Any], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidOption, match=says):
        operating.change("gpu", SOMEONE, **changes)
    assert Limit.objects.get().amount == 2
    assert not AuditEntry.objects.exists()


def test_an_unknown_limit_is_named_with_the_nearest(rendering: list[Any]) -> None:
    with pytest.raises(UnknownLimit, match="Did you mean 'gpu'"):
        operating.change("gpus", SOMEONE, amount=1)


def test_the_commands_show_and_change(rendering: list[Any]) -> None:
    assert "2 at once" in command("queue_limits")
    told = json.loads(command("queue_limits", "gpu", "--json"))
    assert (told["limit"]["held"], told["limit"]["waiting"]) == (2, 2)
    assert len(told["waiting"]) == 2
    place = told["holders"][0]["slot_id"]
    assert "3 at once" in command("queue_limit", "gpu", "--amount", "3")
    assert "Released 1" in command("queue_limit", "gpu", "--release", str(place))
    assert "2 at once" in command("queue_limit", "gpu", "--follow-code")
    assert "Would act" in command("queue_limit", "gpu", "--amount", "9", "--dry-run")
    assert Limit.objects.get().amount == 2
    for wrong in (["gpu"], ["gpu", "--amount", "2", "--follow-code"], ["nobody", "--amount", "1"]):
        with pytest.raises(CommandError):
            command("queue_limit", *wrong)
    with pytest.raises(CommandError, match="Nobody holds the place 999"):
        command("queue_limit", "gpu", "--release", "999")


def test_the_admin_shows_who_holds_and_who_waits(rendering: list[Any]) -> None:
    browser = Client()
    browser.force_login(User.objects.create_superuser("boss"))
    listed = browser.get(reverse("admin:jobs_limit_changelist")).text
    assert "2 at once" in listed
    page = browser.get(reverse("admin:jobs_limit_change", args=["gpu"])).text
    for job in rendering:
        assert str(job.id) in page
    assert 'name="amount"' in page
    assert 'name="period"' not in page
    places = browser.get(reverse("admin:jobs_limitslot_changelist")).text
    assert str(rendering[0].id) in places
    waiting = browser.get(reverse("admin:jobs_job_change", args=[rendering[2].id])).text
    assert "The limit gpu allows 2 at once, held by" in waiting
    assert str(rendering[0].id) in waiting


def test_the_admin_changes_a_limit_by_the_same_way(rendering: list[Any]) -> None:
    browser = Client()
    browser.force_login(User.objects.create_superuser("boss"))
    page = reverse("admin:jobs_limit_change", args=["gpu"])
    done = browser.post(page, {"amount": "4", "notes": "two cards"})
    assert done.status_code == 302
    limit = Limit.objects.get()
    assert (limit.amount, limit.notes, limit.changed_by) == (4, "two cards", User.objects.get())
    assert states() == ["running", "running", "ready", "ready"]
    assert AuditEntry.objects.filter(action="change limit").count() == 1
    refused = browser.post(page, {"amount": "0", "notes": ""})
    assert refused.status_code == 200
    assert Limit.objects.get().amount == 4


def test_a_rate_has_its_period_in_the_form(ran: list[Any]) -> None:
    limited_jobs.calls_out.enqueue(1)
    run_due()
    browser = Client()
    browser.force_login(User.objects.create_superuser("boss"))
    page = reverse("admin:jobs_limit_change", args=["calls"])
    assert "2 in each hour of the calendar" in browser.get(page).text
    assert browser.post(page, {"amount": "2", "period": "0", "notes": ""}).status_code == 200
    assert browser.post(page, {"amount": "2", "period": "60", "notes": ""}).status_code == 302
    assert Limit.objects.get().period == dt.timedelta(minutes=1)
    assert Limit.objects.get().changed_at <= timezone.now()
