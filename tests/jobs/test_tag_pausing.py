"""Pausing and resuming tags: no job that has one starts, whatever its queue and the way it came."""

from __future__ import annotations

import datetime as dt
import io
import json
import threading
from contextlib import closing
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs import current_job, job
from jobs.audit import Actor
from jobs.exceptions import InvalidOption
from jobs.ledger import Ledger, connect, ledger
from jobs.models import AuditEntry, Job, Queue, TagPause, TagWait
from jobs.tag_pausing import pause, paused, paused_among, resume
from jobs.testing import perform
from jobs.transports.sync import run_due
from tests.jobs.admin.conftest import BrowserOf, boss, browser_of
from tests.jobs.claims import end_of

__all__ = ["boss", "browser_of"]

pytestmark = pytest.mark.django_db(transaction=True)

OPERATOR = Actor.of_code("a test")
HOUR = dt.timedelta(hours=1)


@job(tags=["crm"])
def calls_the_crm(number: int) -> int:
    return number


@job
def needs_nothing(number: int) -> int:
    return number


@job(tags=lambda number: ["crm", f"customer:{number}"], queue_name="low")
def asks_the_crm(number: int) -> int:
    return number


@job(tags=["crm"])
def finds_the_crm_down(seconds: float) -> None:
    here = current_job()
    assert here is not None
    here.snooze_tag("crm", seconds, "down until ten")


def claim(book: Ledger, limit: int = 10) -> list[UUID]:
    found = book.claim(worker_id=7, queues=["default", "low"], limit=limit)
    return [one.id for one in found]


def states() -> list[str]:
    return list(Job.objects.order_by("pk").values_list("state", flat=True))


def time_passes(tag: str = "crm") -> None:
    """The pause is over."""
    TagPause.objects.filter(pk=tag).update(paused_until=timezone.now() - HOUR)


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


class TestWhatItHolds:
    def test_jobs_that_have_the_tag_do_not_start_and_others_do(self, book: Ledger) -> None:
        calls_the_crm.enqueue(1)
        other = needs_nothing.enqueue(2)
        asks_the_crm.enqueue(3)
        pause("crm", OPERATOR)
        assert claim(book) == [UUID(other.id)]
        assert states() == ["blocked", "running", "blocked"]
        assert TagWait.objects.filter(pause="crm").count() == 2

    def test_no_attempt_is_spent(self, book: Ledger) -> None:
        calls_the_crm.enqueue(1)
        pause("crm", OPERATOR)
        claim(book)
        assert Job.objects.get().attempts == 0
        resume("crm", OPERATOR)
        claim(book)
        assert Job.objects.get().attempts == 1

    def test_jobs_that_come_later_wait_too(self, book: Ledger) -> None:
        pause("crm", OPERATOR)
        calls_the_crm.enqueue_many([1, 2])
        asks_the_crm.using(priority=10).enqueue(3)
        assert claim(book) == []
        assert set(states()) == {"blocked"}

    def test_jobs_that_become_ready_later_wait_too(self, book: Ledger) -> None:
        calls_the_crm.using(run_after=timezone.now() + HOUR).enqueue(1)
        pause("crm", OPERATOR)
        Job.objects.update(due_at=timezone.now() - HOUR)
        book.promote()
        assert claim(book) == []

    def test_a_job_that_runs_goes_on_and_waits_before_its_next_attempt(self, book: Ledger) -> None:
        calls_the_crm.enqueue(1)
        (running,) = book.claim(worker_id=7, queues=["default"], limit=1)
        pause("crm", OPERATOR)
        book.complete([end_of(running, "ready", outcome="released")])
        assert claim(book) == []
        assert (Job.objects.get().state, Job.objects.get().attempts) == ("blocked", 1)

    def test_what_stands_behind_thousands_of_them_starts_at_once(self, book: Ledger) -> None:
        calls_the_crm.enqueue_many(range(2600))
        other = needs_nothing.enqueue(1)
        pause("crm", OPERATOR)
        assert claim(book, limit=1) == [UUID(other.id)]
        assert Job.objects.filter(state="blocked").count() == 2600
        assert not Job.objects.ready().exists()

    def test_no_more_jobs_are_taken_than_were_asked_for(self, book: Ledger) -> None:
        calls_the_crm.enqueue_many(range(3))
        needs_nothing.enqueue_many(range(50))
        pause("crm", OPERATOR)
        assert len(claim(book, limit=2)) == 2
        assert Job.objects.running().count() == 2
        assert Job.objects.ready().count() == 48
        assert not Job.objects.ready().exclude(attempts=0).exists()

    def test_another_tag_holds_nothing(self, book: Ledger) -> None:
        calls_the_crm.enqueue(1)
        asks_the_crm.enqueue(2)
        pause("customer:2", OPERATOR)
        assert len(claim(book)) == 1
        assert states() == ["running", "blocked"]

    def test_a_job_with_two_paused_tags_waits_for_both(self, book: Ledger) -> None:
        asks_the_crm.enqueue(2)
        pause("crm", OPERATOR)
        pause("customer:2", OPERATOR)
        claim(book)
        resume("crm", OPERATOR)
        assert claim(book) == []
        resume("customer:2", OPERATOR)
        assert len(claim(book)) == 1

    def test_a_job_that_waits_can_be_cancelled_and_stays_so(self, book: Ledger) -> None:
        from jobs.cancelling import cancel

        calls_the_crm.enqueue(1)
        pause("crm", OPERATOR)
        claim(book)
        cancel([Job.objects.get().pk], OPERATOR)
        resume("crm", OPERATOR)
        assert states() == ["cancelled"]
        assert not TagWait.objects.exists()


def deleted_by_hand() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM jobs_tagpause")
    connection.check_constraints()


class TestHowItEnds:
    def test_when_its_time_is_over_the_jobs_are_ready_and_the_pause_is_gone(
        self, book: Ledger
    ) -> None:
        calls_the_crm.enqueue_many(range(1200))
        pause("crm", OPERATOR, timezone.now() + HOUR)
        claim(book)
        time_passes()
        assert book.promote() == {"default"}
        assert Job.objects.ready().count() == 1200
        assert not TagPause.objects.exists()
        assert not TagWait.objects.exists()

    def test_before_the_clock_has_seen_it_newcomers_start(self, book: Ledger) -> None:
        pause("crm", OPERATOR, timezone.now() + HOUR)
        time_passes()
        calls_the_crm.enqueue(1)
        assert len(claim(book)) == 1

    def test_resumed_its_jobs_run_in_their_order(self, book: Ledger) -> None:
        first = calls_the_crm.enqueue(1)
        urgent = calls_the_crm.using(priority=5).enqueue(2)
        pause("crm", OPERATOR)
        claim(book)
        assert resume("crm", OPERATOR)
        assert claim(book) == [UUID(urgent.id), UUID(first.id)]
        assert not resume("crm", OPERATOR)

    def test_a_tag_that_is_paused_anew_before_all_have_gone_holds_the_rest(
        self, book: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs.ledger.tag_pauses.AT_ONCE", 10)
        monkeypatch.setattr("jobs.ledger.tag_pauses.ROUNDS", 1)
        calls_the_crm.enqueue_many(range(25))
        pause("crm", OPERATOR)
        claim(book)
        resume("crm", OPERATOR)
        assert Job.objects.ready().count() == 10
        assert pause("crm", OPERATOR)
        assert book.promote() == set()
        assert claim(book) == []
        assert set(states()) == {"blocked"}

    def test_a_pause_that_jobs_wait_for_cannot_vanish(self, book: Ledger) -> None:
        calls_the_crm.enqueue(1)
        pause("crm", OPERATOR)
        claim(book)
        with pytest.raises(IntegrityError), transaction.atomic():
            deleted_by_hand()

    def test_a_claim_waits_for_who_ends_the_pause_and_loses_no_job(self, book: Ledger) -> None:
        """What it put aside in between would wait for a pause that is over."""
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has one writer at a time")
        calls_the_crm.enqueue(1)
        pause("crm", OPERATOR)
        done: list[int] = []

        def claims() -> None:
            with closing(connect()) as session:
                done.append(len(ledger(session).claim(worker_id=8, queues=["default"], limit=1)))

        with transaction.atomic():
            resume("crm", OPERATOR)
            thread = threading.Thread(target=claims)
            thread.start()
            thread.join(0.3)
            assert thread.is_alive()
        thread.join(10)
        assert done == [1]
        assert states() == ["running"]


class TestSnoozing:
    def test_a_job_lets_all_that_have_a_tag_wait(self, book: Ledger) -> None:
        finds_the_crm_down.enqueue(600)
        run_due()
        (found,) = paused()
        assert found.tag == "crm"
        assert found.reason == "down until ten"
        assert found.paused_until is not None
        assert 590 < (found.paused_until - timezone.now()).total_seconds() <= 600
        assert AuditEntry.objects.get().target == "tag crm"
        calls_the_crm.enqueue(1)
        assert claim(book) == []

    def test_it_does_not_shorten_what_an_operator_has_said(self) -> None:
        pause("crm", OPERATOR, reason="maintenance")
        Queue.objects.create(name="default", paused_at=timezone.now())
        perform_snoozes()
        assert TagPause.objects.get().paused_until is None
        assert TagPause.objects.get().reason == "maintenance"
        assert Queue.objects.get().paused_until is None

    def test_it_makes_a_shorter_pause_longer(self) -> None:
        pause("crm", OPERATOR, timezone.now() + dt.timedelta(seconds=60))
        perform_snoozes()
        until = TagPause.objects.get().paused_until
        assert until is not None
        assert until > timezone.now() + dt.timedelta(seconds=500)

    @pytest.mark.parametrize("seconds", [0, -5])
    def test_a_time_that_is_none_is_refused(self, seconds: float) -> None:
        finds_the_crm_down.enqueue(seconds)
        run_due()
        failed = Job.objects.get()
        assert failed.state == "failed"
        assert not TagPause.objects.exists()

    def test_the_test_kit_lets_tags_be(self) -> None:
        assert perform(finds_the_crm_down, 600).succeeded
        assert not TagPause.objects.exists()


def perform_snoozes() -> None:
    from jobs.execution import snoozing

    for snooze, name in ((snoozing.snooze_tag, "crm"), (snoozing.snooze_queue, "default")):
        snooze(name, "a test", dt.timedelta(seconds=600), "down")


class TestTheOperator:
    def test_a_pause_says_by_whom_until_when_and_why(self) -> None:
        user = User.objects.create_user("olga")
        until = timezone.now() + HOUR
        assert pause("crm", Actor(user, "olga", "admin"), until, "provider is down")
        found = TagPause.objects.get()
        assert (found.paused_until, found.paused_by, found.reason) == (
            until, user, "provider is down",
        )  # fmt: skip
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.target, entry.before) == ("pause", "tag crm", None)
        assert entry.after == {"until": until.isoformat(), "reason": "provider is down"}

    def test_pausing_twice_changes_nothing_and_is_recorded_once(self) -> None:
        assert pause("crm", OPERATOR)
        assert not pause("crm", OPERATOR)
        assert AuditEntry.objects.count() == 1

    def test_pausing_a_paused_tag_moves_its_end_and_keeps_its_beginning(self) -> None:
        pause("crm", OPERATOR)
        since = TagPause.objects.get().paused_at
        assert pause("crm", OPERATOR, timezone.now() + HOUR, "not so long")
        found = TagPause.objects.get()
        assert found.paused_at == since
        assert found.paused_until is not None

    @pytest.mark.parametrize(
        ("tag", "until", "reason", "says"),
        [
            ("", None, "", "tag: '': must be text of 1 to 150 characters"),
            ("x" * 151, None, "", "tag: "),
            ("crm", timezone.now() - HOUR, "", "until: .* must be in the future"),
            ("crm", dt.datetime(2040, 1, 1), "", "until: .* must have a time zone"),
            ("crm", None, "x" * 201, "reason: .* has at most 200 characters"),
        ],
    )
    def test_what_makes_no_sense_changes_nothing(
        self, tag: str, until: dt.datetime | None, reason: str, says: str
    ) -> None:
        with pytest.raises(InvalidOption, match=says):
            pause(tag, OPERATOR, until, reason)
        assert not TagPause.objects.exists()
        assert not AuditEntry.objects.exists()

    def test_the_commands_pause_resume_and_tell(self, book: Ledger) -> None:
        assert "Would pause tag crm" in command("queue_pause", "--tag", "crm", "--dry-run")
        assert not TagPause.objects.exists()
        out = command("queue_pause", "low", "--tag", "crm", "--until", "2h", "--reason", "down")
        assert "Paused low until" in out
        assert "Paused tag crm until" in out
        told = json.loads(command("queue_status", "--json"))["paused_tags"]
        assert [(one["tag"], one["reason"]) for one in told] == [("crm", "down")]
        assert "paused tag" in command("queue_status")
        assert command("queue_resume", "--tag", "crm") == "Resumed tag crm.\n"
        assert "tag crm was not paused" in command("queue_resume", "--tag", "crm")
        pause("crm", OPERATOR)
        assert "Resumed tag crm" in command("queue_resume", "--all")
        assert "paused tag" not in command("queue_status")
        assert not Queue.objects.filter(paused_at__isnull=False).exists()

    @pytest.mark.parametrize(
        "arguments",
        [
            ["queue_pause"],
            ["queue_pause", "--tag", ""],
            ["queue_resume"],
            ["queue_resume", "--all", "--tag", "crm"],
        ],
    )
    def test_the_commands_refuse_what_says_nothing(self, arguments: list[str]) -> None:
        with pytest.raises(CommandError) as end:
            command(*arguments)
        assert end.value.returncode == 2
        assert not TagPause.objects.exists()


class TestTheAdmin:
    LIST = "admin:jobs_tagpause_changelist"

    def test_it_shows_what_is_paused_and_how_much_waits(self, boss: Client, book: Ledger) -> None:
        assert "No tag is paused" in boss.get(reverse(self.LIST)).text
        calls_the_crm.enqueue_many([1, 2, 3])
        pause("crm", OPERATOR, timezone.now() + HOUR, "<i>down</i>")
        pause("old", OPERATOR)
        time_passes("old")
        claim(book)
        shown = boss.get(reverse(self.LIST)).text
        assert "&lt;i&gt;down" in shown
        assert '<td class="field-waiting">3</td>' in shown
        assert "old</a>" not in shown

    def test_it_pauses_changes_and_resumes_by_the_same_way(self, boss: Client) -> None:
        data = {"tag": "crm", "paused_until": "", "reason": "down"}
        assert boss.post(reverse("admin:jobs_tagpause_add"), data).status_code == 302
        assert TagPause.objects.get().reason == "down"
        page = reverse("admin:jobs_tagpause_change", args=["crm"])
        later = timezone.localtime(timezone.now() + HOUR).strftime("%Y-%m-%dT%H:%M")
        assert boss.post(page, {"paused_until": later, "reason": "still"}).status_code == 302
        assert TagPause.objects.get().paused_until is not None
        assert "Resume" in boss.get(page).text
        done = boss.post(reverse("admin:jobs_tagpause_resume", args=["crm"]), {"confirmed": "yes"})
        assert done.status_code == 302
        assert not paused()
        actions = AuditEntry.objects.order_by("pk").values_list("action", "target", "actor_name")
        assert list(actions) == [
            ("pause", "tag crm", "boss"),
            ("pause", "tag crm", "boss"),
            ("resume", "tag crm", "boss"),
        ]

    @pytest.mark.parametrize(
        ("changed", "says"),
        [
            ({"paused_until": "2001-01-01T00:00"}, "must be in the future"),
            ({"tag": ""}, "This field is required"),
            ({"tag": "crm"}, "already exists"),
        ],
    )
    def test_what_makes_no_sense_is_said_at_the_field(
        self, boss: Client, changed: dict[str, str], says: str
    ) -> None:
        pause("crm", OPERATOR, reason="first")
        data = {"tag": "erp", "paused_until": "", "reason": "", **changed}
        answer = boss.post(reverse("admin:jobs_tagpause_add"), data)
        assert answer.status_code == 200
        assert says in answer.text
        assert TagPause.objects.get().reason == "first"

    def test_who_may_only_look_changes_nothing(self, browser_of: BrowserOf) -> None:
        pause("crm", OPERATOR)
        viewer = browser_of("view_tagpause")
        assert viewer.get(reverse(self.LIST)).status_code == 200
        page = reverse("admin:jobs_tagpause_change", args=["crm"])
        assert viewer.post(page, {"reason": "no"}).status_code == 403
        assert viewer.get(reverse("admin:jobs_tagpause_add")).status_code == 403
        wake = reverse("admin:jobs_tagpause_resume", args=["crm"])
        assert viewer.post(wake, {"confirmed": "yes"}).status_code == 403
        assert browser_of("pause_tag").get(reverse(self.LIST)).status_code == 403
        assert len(paused()) == 1

    def test_the_page_of_a_job_says_what_it_waits_for(self, boss: Client, book: Ledger) -> None:
        waiting = calls_the_crm.enqueue(1)
        pause("crm", OPERATOR, reason="down until ten")
        page = reverse("admin:jobs_job_change", args=[waiting.id])
        assert "is paused, until it is resumed: down until ten" in boss.get(page).text
        claim(book)
        assert "is paused, until it is resumed: down until ten" in boss.get(page).text
        resume("crm", OPERATOR)
        assert "is paused" not in boss.get(page).text


def test_only_pauses_in_force_are_told() -> None:
    pause("crm", OPERATOR)
    pause("old", OPERATOR)
    time_passes("old")
    assert [one.tag for one in paused_among(["crm", "old", "other"])] == ["crm"]
    assert paused_among([]) == []
