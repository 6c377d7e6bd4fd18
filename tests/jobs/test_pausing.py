"""Pausing and resuming queues."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from jobs.audit import Actor
from jobs.exceptions import InvalidOption, UnknownQueue
from jobs.models import AuditEntry, Queue
from jobs.pausing import pause, resume
from tests.jobs.factories import JobFactory

pytestmark = pytest.mark.django_db
OPERATOR = Actor.of_code("a test")


def test_a_paused_queue_says_by_whom_until_when_and_why() -> None:
    user = User.objects.create_user("olga")
    until = timezone.now() + dt.timedelta(hours=1)

    assert pause("low", Actor(user, "olga", "admin"), until=until, reason="provider is down")

    queue = Queue.objects.get(pk="low")
    assert queue.paused_at is not None
    assert (queue.paused_until, queue.paused_by, queue.paused_reason) == (
        until,
        user,
        "provider is down",
    )
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.actor) == ("pause", "queue low", user)
    assert entry.before["paused"] is False
    assert entry.after == {
        "paused": True,
        "until": until.isoformat(),
        "reason": "provider is down",
    }


def test_pausing_twice_changes_nothing_and_is_recorded_once() -> None:
    assert pause("low", OPERATOR)
    paused_at = Queue.objects.get(pk="low").paused_at

    assert not pause("low", OPERATOR)

    assert Queue.objects.get(pk="low").paused_at == paused_at
    assert AuditEntry.objects.count() == 1


def test_pausing_a_paused_queue_can_move_its_end_and_keeps_its_beginning() -> None:
    pause("low", OPERATOR)
    paused_at = Queue.objects.get(pk="low").paused_at

    assert pause("low", OPERATOR, until=timezone.now() + dt.timedelta(hours=1))

    queue = Queue.objects.get(pk="low")
    assert queue.paused_at == paused_at
    assert queue.paused_until is not None


def test_a_pause_whose_time_is_over_can_be_made_anew() -> None:
    past = timezone.now() - dt.timedelta(hours=1)
    Queue.objects.create(pk="low", paused_at=past - dt.timedelta(hours=1), paused_until=past)

    assert pause("low", OPERATOR)

    queue = Queue.objects.get(pk="low")
    assert queue.paused_at is not None
    assert queue.paused_at > past


def test_a_resumed_queue_is_as_if_it_had_never_been_paused() -> None:
    Queue.objects.create(pk="low", max_waiting=50)
    pause("low", OPERATOR, reason="why not")

    assert resume("low", OPERATOR)

    queue = Queue.objects.get(pk="low")
    assert (queue.paused_at, queue.paused_reason, queue.max_waiting) == (None, "", 50)
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == ["pause", "resume"]


def test_resuming_what_is_not_paused_changes_nothing() -> None:
    assert not resume("low", OPERATOR)
    assert not AuditEntry.objects.exists()


def test_a_queue_that_no_pool_serves_but_that_holds_a_job_can_be_paused() -> None:
    JobFactory(queue="forgotten")

    assert pause("forgotten", OPERATOR)


def test_an_unknown_queue_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownQueue, match="Did you mean 'critical'"):
        pause("critica", OPERATOR)
    assert not Queue.objects.exists()


@pytest.mark.parametrize(
    ("until", "rule"),
    [
        (dt.datetime(2100, 1, 1), "time zone"),
        (dt.datetime(2000, 1, 1, tzinfo=dt.UTC), "future"),
    ],
)
def test_an_end_that_cannot_be_is_refused_and_changes_nothing(
    until: dt.datetime, rule: str
) -> None:
    with pytest.raises(InvalidOption, match=rule):
        pause("low", OPERATOR, until=until)
    assert not Queue.objects.exists()
