"""Who is told of what, once."""

from __future__ import annotations

import datetime as dt
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from jobs import checks
from jobs.audit import Actor
from jobs.exceptions import NotificationFailed
from jobs.failures import groups, notices, notify
from jobs.failures.channels import Message, send
from jobs.failures.rules import Rule
from jobs.identifiers import uuid7
from jobs.ledger import Ledger
from jobs.models import FailedJob, FailureGroup, GroupStatus, Job, JobState, Notice
from jobs.models import NotificationRule as Row
from jobs.transports import sync
from tests.jobs.factories import FailureGroupFactory, ago, many_failed_jobs
from tests.jobs.failing import fail, resolved_long_ago
from tests.jobs.sample_jobs import fails
from tests.support.webhooks import Webhook, webhook

pytestmark = pytest.mark.django_db(transaction=True)
OPERATOR = Actor.of_code("ada")
NOW_AND_AGAIN = dt.timedelta(0)


@pytest.fixture
def box() -> Iterator[Webhook]:
    with webhook() as server:
        yield server


def mail_rule(**facts: Any) -> Row:
    return Row.objects.create(
        **{"name": "ops", "channel": "mail", "target": "ops@example.org", **facts}
    )


def tell(group: FailureGroup | None = None) -> int:
    """Run what the ledger enqueues when this group opens."""
    group = group or FailureGroup.objects.get()
    assert group.opening is not None
    return notify.tell_opened.call(group.pk, str(group.opening))


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]


def test_a_new_group_is_mailed_once_and_again_when_it_comes_back(book: Ledger) -> None:
    mail_rule(cooldown=NOW_AND_AGAIN)

    fail(book, ["order 7 was declined"])
    sync.run_due()
    fail(book, ["order 8 was declined"])
    sync.run_due()
    assert subjects() == ["New failure: Declined in add"]

    resolved_long_ago()
    fail(book, ["order 9 was declined"])
    sync.run_due()

    assert subjects() == ["New failure: Declined in add", "Failing again: Declined in add"]
    assert all(message.to == ["ops@example.org"] for message in mail.outbox)
    assert "by ada" in mail.outbox[1].body
    assert "3 so far" in mail.outbox[1].body


def test_a_message_holds_what_the_group_shows_and_no_value_of_the_failure(book: Ledger) -> None:
    mail_rule()

    fail(book, ["card '4111 1111' of order 7 was declined"])
    sync.run_due()

    (message,) = mail.outbox
    group = FailureGroup.objects.get()
    assert "shop.errors.Declined: card ? of order ? was declined" in message.body
    assert "At shop/orders.py in charge" in message.body
    assert "Job tests.jobs.sample_jobs.add on the queue default" in message.body
    assert f"manage.py queue_failed --group {group.pk}" in message.body
    assert "4111" not in message.body + message.subject


def test_a_message_links_to_the_group_where_the_site_says_its_address(
    book: Ledger, settings: Any
) -> None:
    settings.JOBS_BASE_URL = "https://site.example.org/"
    mail_rule()

    fail(book)
    sync.run_due()

    group = FailureGroup.objects.get()
    address = f"https://site.example.org/admin/jobs/failuregroup/{group.pk}/change/"
    assert address in mail.outbox[0].body


def test_a_webhook_gets_text_in_which_nothing_calls_a_channel(book: Ledger, box: Webhook) -> None:
    Row.objects.create(name="chat", channel="webhook", target=box.url)

    fail(book, ["<!channel> a & b"])
    sync.run_due()

    (text,) = box.texts
    assert text.startswith("New failure: Declined in add\n")
    assert "&lt;!channel&gt; a &amp; b" in text
    assert (box.methods, box.types) == (["POST"], ["application/json"])
    assert set(box.received[0]) == {"text"}


def test_a_name_with_a_line_break_does_not_reach_the_head_of_a_mail() -> None:
    group = FailureGroupFactory(opening=uuid7(), exception_class="shop.Odd\nBcc: all")
    mail_rule()

    assert tell(group) == 1
    assert subjects() == ["New failure: Odd Bcc: all in add"]


def test_a_rule_of_the_settings_tells_into_the_log(
    book: Ledger, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.JOBS_NOTIFY = {"log": {"channel": "log", "target": "shop.alerts"}}

    with caplog.at_level(logging.INFO, "shop.alerts"):
        fail(book)
        sync.run_due()
        groups.resolve(FailureGroup.objects.all(), OPERATOR)
        sync.run_due()

    told = [(one.levelname, one.message.partition("\n")[0]) for one in caplog.records
            if one.name == "shop.alerts"]  # fmt: skip
    assert told == [
        ("ERROR", "New failure: Declined in add"),
        ("INFO", "Resolved: Declined in add"),
    ]


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({}, True),
        ({"queue": "default"}, True),
        ({"queue": "low"}, True),
        ({"queue": "high"}, False),
        ({"definition": "tests.jobs.sample_jobs.add"}, True),
        ({"definition": "tests.jobs.sample_jobs.fails"}, False),
        ({"queue": "low", "definition": "tests.jobs.sample_jobs.add"}, True),
        ({"enabled": False}, False),
    ],
)
def test_a_rule_is_told_of_groups_with_failures_that_it_is_about(
    filters: dict[str, Any], told: bool
) -> None:
    group = FailureGroupFactory(opening=uuid7())
    many_failed_jobs(1, fingerprint=group.pk)
    many_failed_jobs(1, fingerprint=group.pk, queue="low")
    mail_rule(**filters)

    assert tell(group) == len(mail.outbox) == int(told)


def test_within_the_cool_down_a_group_that_comes_back_is_not_told_again(book: Ledger) -> None:
    mail_rule(cooldown=dt.timedelta(hours=2))
    fail(book, ["a bad card"])
    sync.run_due()
    resolved_long_ago()

    fail(book, ["a bad card", "no stock"])
    sync.run_due()
    assert len(mail.outbox) == 2, "another group has a cool-down of its own"

    Notice.objects.update(claimed_at=ago(hours=3), sent_at=ago(hours=3))
    resolved_long_ago()
    fail(book, ["a bad card"])
    sync.run_due()
    assert subjects()[2:] == ["Failing again: Declined in add"]


def test_a_job_that_runs_twice_tells_once(book: Ledger) -> None:
    mail_rule(cooldown=NOW_AND_AGAIN)
    fail(book)

    assert [tell(), tell()] == [1, 0]


def test_a_group_that_was_resolved_or_muted_meanwhile_is_no_news(book: Ledger) -> None:
    mail_rule()
    fail(book)
    for status in (GroupStatus.RESOLVED, GroupStatus.MUTED):
        FailureGroup.objects.update(status=status, resolved_at=ago(minutes=1))
        assert tell() == 0
    assert not mail.outbox
    assert notify.tell_opened.call("f" * 32, str(uuid7())) == 0


def test_an_opening_that_was_followed_by_another_is_told_as_that_one(book: Ledger) -> None:
    mail_rule()
    fail(book)
    group = FailureGroup.objects.get()

    assert notify.tell_opened.call(group.pk, str(uuid7())) == 0
    assert tell() == 1


def test_a_webhook_that_refuses_is_tried_again_and_who_was_told_is_not(
    book: Ledger, box: Webhook
) -> None:
    mail_rule()
    Row.objects.create(name="chat", channel="webhook", target=box.url)
    box.status = 503
    fail(book)

    sync.run_due()

    job = Job.objects.get(definition=notify.tell_opened.path)
    assert (job.state, len(mail.outbox), len(box.received)) == (JobState.SCHEDULED, 1, 1)
    box.status = 200
    Job.objects.filter(pk=job.pk).update(due_at=ago(seconds=1))
    sync.run_due()
    job.refresh_from_db()
    assert (job.state, len(mail.outbox), len(box.received)) == (JobState.SUCCEEDED, 1, 2)


def test_a_message_that_was_not_sent_keeps_no_later_one_back(book: Ledger, box: Webhook) -> None:
    Row.objects.create(name="chat", channel="webhook", target=box.url)
    box.status = 503
    fail(book)
    sync.run_due()
    box.status = 200
    resolved_long_ago()

    fail(book)
    sync.run_due()

    assert box.texts[-1].startswith("Failing again: Declined in add\n")


def test_a_notification_that_fails_for_good_is_a_group_itself_and_comes_to_rest(
    book: Ledger, box: Webhook
) -> None:
    """It is told too, to whom it can be; it does not tell of itself for ever."""
    mail_rule()
    Row.objects.create(name="chat", channel="webhook", target=box.url)
    box.status = 404
    fail(book)

    for _ in range(30):
        Job.objects.filter(state=JobState.SCHEDULED).update(due_at=ago(seconds=1))
        if not sync.run_due():
            break
    else:
        raise AssertionError("notifications bring forth notifications without end")

    assert subjects() == [
        "New failure: Declined in add",
        "New failure: NotificationFailed in tell_opened",
    ]
    own = FailureGroup.objects.get(definition=notify.tell_opened.path)
    assert own.count == 2
    assert "s3cret" not in own.message + "".join(
        f"{failed.message}{failed.traceback}" for failed in FailedJob.objects.all()
    )


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500])
def test_every_answer_but_success_is_an_error_that_keeps_the_address_secret(
    box: Webhook, status: int
) -> None:
    box.status, box.location = status, f"{box.url}/elsewhere"
    rule = Rule(key="k", name="chat", channel="webhook", target=box.url)

    with pytest.raises(NotificationFailed, match=f"'chat'.* answered {status}") as failed:
        send(rule, Message(subject="s", text="t"))

    assert "s3cret" not in str(failed.value)
    assert box.methods == ["POST"]


def test_a_host_that_does_not_answer_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    rule = Rule(key="k", name="chat", channel="webhook", target=f"http://127.0.0.1:{port}/s3cret")

    with pytest.raises(NotificationFailed, match="cannot be reached") as failed:
        send(rule, Message(subject="s", text="t"))
    assert "s3cret" not in str(failed.value)


def test_a_host_that_is_too_slow_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.failures.channels.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        rule = Rule(key="k", name="chat", channel="webhook", target=target)

        with pytest.raises(NotificationFailed, match="cannot be reached"):
            send(rule, Message(subject="s", text="t"))


def test_a_mail_that_cannot_be_sent_names_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ConnectionRefusedError("no mail today")

    monkeypatch.setattr("django.core.mail.send_mail", refuse)
    rule = Rule(key="k", name="ops", channel="mail", target="ops@example.org")

    with pytest.raises(NotificationFailed, match="'ops': ConnectionRefusedError: no mail today"):
        send(rule, Message(subject="s", text="t"))


def test_a_recovery_is_told_once_to_those_who_were_told(book: Ledger, box: Webhook) -> None:
    mail_rule(cooldown=NOW_AND_AGAIN)
    fail(book)
    sync.run_due()
    Row.objects.create(name="late", channel="webhook", target=box.url)

    groups.resolve(FailureGroup.objects.all(), OPERATOR)
    sync.run_due()
    assert subjects() == ["New failure: Declined in add", "Resolved: Declined in add"]
    assert "Resolved by ada." in mail.outbox[1].body

    groups.reopen(FailureGroup.objects.all(), OPERATOR)
    groups.resolve(FailureGroup.objects.all(), OPERATOR)
    sync.run_due()
    assert len(mail.outbox) == 2
    assert box.received == []


def test_nobody_is_told_of_the_recovery_of_what_they_did_not_hear_of(book: Ledger) -> None:
    fail(book)
    mail_rule()

    groups.resolve(FailureGroup.objects.all(), OPERATOR)

    assert not Job.objects.filter(definition=notify.tell_resolved.path).exists()


def test_a_recovery_that_cannot_be_sent_is_tried_again(book: Ledger, box: Webhook) -> None:
    Row.objects.create(name="chat", channel="webhook", target=box.url)
    fail(book)
    sync.run_due()
    box.status = 500

    groups.resolve(FailureGroup.objects.all(), OPERATOR)
    sync.run_due()
    box.status = 200
    Job.objects.filter(state=JobState.SCHEDULED).update(due_at=ago(seconds=1))
    sync.run_due()

    assert [text.partition(":")[0] for text in box.texts] == ["New failure", "Resolved", "Resolved"]


def test_a_group_that_is_open_again_when_its_recovery_would_be_told_is_not_recovered(
    book: Ledger,
) -> None:
    mail_rule(cooldown=dt.timedelta(hours=5))
    fail(book)
    sync.run_due()
    groups.resolve(FailureGroup.objects.all(), OPERATOR)
    FailureGroup.objects.update(status=GroupStatus.OPEN)

    sync.run_due()

    assert subjects() == ["New failure: Declined in add"]


def test_a_rule_that_is_gone_is_not_told_of_a_recovery(book: Ledger) -> None:
    mail_rule()
    fail(book)
    sync.run_due()
    Row.objects.all().delete()

    groups.resolve(FailureGroup.objects.all(), OPERATOR)
    sync.run_due()

    assert len(mail.outbox) == 1


def test_a_stopped_job_may_claim_again_and_another_opening_must_wait() -> None:
    group = FailureGroupFactory()
    rule = Rule(key="k", name="n", channel="log", cooldown=dt.timedelta(hours=1))
    first, second = uuid7(), uuid7()

    assert notices.claim(rule, group.pk, first)
    assert notices.claim(rule, group.pk, first), "it was stopped before it confirmed"
    assert not notices.claim(rule, group.pk, second)
    notices.confirm(rule, group.pk, first)
    assert not notices.claim(rule, group.pk, first)
    Notice.objects.update(claimed_at=ago(hours=2))
    assert not notices.claim(rule, group.pk, first), "it was told, however long ago"
    assert notices.claim(rule, group.pk, second)


def test_of_many_processes_one_claims_a_notice() -> None:
    group = FailureGroupFactory()
    rule = Rule(key="k", name="n", channel="log", cooldown=dt.timedelta(hours=1))
    start, won = threading.Barrier(4), list[bool]()

    def work() -> None:
        try:
            start.wait(timeout=30)
            won.append(notices.claim(rule, group.pk, uuid7()))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert sorted(won) == [False, False, False, True]
    assert Notice.objects.count() == 1


def test_a_job_that_fails_in_the_site_is_mailed(book: Ledger) -> None:
    """From the function to the message, with no hand between."""
    mail_rule()

    fails.enqueue("order 7 is lost")
    sync.run_due()

    (message,) = mail.outbox
    assert message.subject == "New failure: Hopeless in fails"
    assert "tests.jobs.sample_jobs.Hopeless: order ? is lost" in message.body
    assert "At jobs/sample_jobs.py in fails" in message.body


def test_a_site_whose_pools_do_not_serve_the_default_queue_is_not_warned_of_it(
    settings: Any,
) -> None:
    settings.JOBS_POOLS = {"only": {"queues": ["shop"]}}

    warned = [str(message.msg) for message in checks.check_definitions()]

    assert not [text for text in warned if text.startswith("jobs.failures")]


def test_a_recovery_goes_to_a_queue_that_is_served(book: Ledger, settings: Any) -> None:
    mail_rule()
    fail(book)
    sync.run_due()
    settings.JOBS_POOLS = {"only": {"queues": ["shop"]}}

    groups.resolve(FailureGroup.objects.all(), OPERATOR)

    assert Job.objects.get(definition=notify.tell_resolved.path).queue == "shop"
