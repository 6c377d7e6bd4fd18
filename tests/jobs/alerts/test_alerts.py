"""Something goes out of bounds: an alert opens, is told once, and its end is told once."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs.alerts.watching import Report, run_once
from jobs.metrics.histogram import Histogram
from jobs.metrics.rollup import floor
from jobs.models import (
    Alert,
    AlertRule,
    AuditEntry,
    Job,
    JobMetric,
    JobSchedule,
    MetricLevel,
    MetricMark,
)
from tests.jobs.admin.conftest import BrowserOf, boss, browser_of
from tests.jobs.factories import ClusterFactory, JobFactory, WorkerFactory, ago

__all__ = ["boss", "browser_of"]

pytestmark = pytest.mark.django_db(transaction=True)

SECOND, MINUTE, HOUR = dt.timedelta(seconds=1), dt.timedelta(minutes=1), dt.timedelta(hours=1)
TO = "ops@example.org"


def rule(kind: str, limit: float, **options: Any) -> AlertRule:
    values = {"name": f"{kind} above {limit:g}", "channel": "mail", "target": TO, **options}
    made = AlertRule(kind=kind, limit=limit, **values)
    made.full_clean()
    made.save()
    return made


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]


def opened() -> dict[str, str]:
    return dict(Alert.objects.open().values_list("subject", "text"))


def waiting(minutes: float, queue: str = "default") -> Job:
    return JobFactory.create(queue=queue, enqueued_at=ago(minutes=minutes))


def metric(minutes_ago: int, **figures: Any) -> None:
    at = floor(ago(minutes=minutes_ago), MetricLevel.MINUTE)
    values = {"queue": "default", "definition": "tests.jobs.sample_jobs.add", **figures}
    JobMetric.objects.create(level="minute", at=at, **values)
    MetricMark.objects.update_or_create(
        level="minute", defaults={"until": floor(timezone.now(), MetricLevel.MINUTE)}
    )


class TestWhatIsWatched:
    def test_a_long_wait_on_each_queue(self) -> None:
        rule("wait", 300)
        waiting(9)
        waiting(1, "low")
        run_once()
        assert opened() == {"default": "The oldest job on default has waited 9 min."}

    def test_not_the_wait_on_a_queue_that_somebody_has_paused(self) -> None:
        from jobs.models import Queue

        rule("wait", 300)
        waiting(9)
        Queue.objects.create(name="default", paused_at=timezone.now())
        run_once()
        assert opened() == {}

    def test_a_depth_on_one_queue(self) -> None:
        rule("depth", 2, queue="low")
        for queue in ("low", "low", "low", "default", "default", "default"):
            waiting(1, queue)
        run_once()
        assert opened() == {"low": "3 jobs are ready on low."}

    def test_a_rate_of_failures_in_a_window(self) -> None:
        rule("failures", 20, window=10 * MINUTE)
        metric(5, succeeded=6, failed=4)
        metric(6, succeeded=99, failed=1, queue="low")
        metric(40, failed=500, queue="old")
        run_once()
        text = "4 of 10 jobs of default failed in the last 10 min: 40%."
        assert opened() == {"default": text}

    def test_a_rate_of_failures_of_one_definition(self) -> None:
        rule("failures", 20, definition="shop.pay")
        metric(5, failed=10, definition="shop.pay")
        metric(5, failed=10)
        run_once()
        assert list(opened()) == ["shop.pay"]

    def test_no_rate_is_made_of_a_handful(self) -> None:
        rule("failures", 20)
        metric(5, failed=4)
        run_once()
        assert opened() == {}

    def test_workers_that_are_lost(self) -> None:
        rule("workers", 2)
        cluster = ClusterFactory.create()
        WorkerFactory.create(cluster=cluster)
        WorkerFactory.create(cluster=cluster)
        run_once()
        assert opened() == {}
        cluster.heartbeat_at = ago(minutes=2)
        cluster.save()
        run_once()
        assert opened() == {"workers": "0 workers alive."}

    def test_workers_of_one_queue(self) -> None:
        rule("workers", 1, queue="ai")
        WorkerFactory.create(cluster=ClusterFactory.create(queues=["default"]))
        run_once()
        assert opened() == {"ai": "0 workers of ai alive."}

    def test_a_schedule_that_is_late(self) -> None:
        rule("schedule", 60)
        schedule = JobSchedule.objects.create(
            name="nightly", definition="tests.jobs.sample_jobs.add", cron="0 3 * * *"
        )
        JobSchedule.objects.filter(pk=schedule.pk).update(next_run_at=ago(minutes=10))
        run_once()
        assert list(opened()) == ["nightly"]
        assert "should have run at" in opened()["nightly"]

    def test_a_schedule_that_has_fallen_silent(self) -> None:
        schedule = JobSchedule.objects.create(
            name="nightly", definition="tests.jobs.sample_jobs.add", cron="0 3 * * *"
        )
        JobSchedule.objects.filter(pk=schedule.pk).update(
            next_run_at=timezone.now() + HOUR, created_at=ago(days=9)
        )
        rule("schedule", 86_400, schedule=schedule)
        run_once()
        assert "has had no success since" in opened()["nightly"]
        JobFactory.create(schedule=schedule, state="succeeded", slot_at=ago(hours=1))
        run_once()
        assert opened() == {}

    def test_a_job_that_runs_far_longer_than_its_like(self) -> None:
        rule("slow", 3)
        run = Histogram.of([MINUTE] * 20).as_json()
        metric(30, succeeded=20, run=run)
        usual = JobFactory.create(state="running", started_at=ago(minutes=2))
        slow = JobFactory.create(state="running", started_at=ago(minutes=20))
        JobFactory.create(state="running", started_at=ago(hours=9), definition="shop.unknown")
        run_once()
        assert list(opened()) == [str(slow.pk)]
        assert str(usual.pk) not in opened()

    def test_nothing_of_a_rule_that_is_off(self) -> None:
        rule("wait", 300, enabled=False)
        waiting(9)
        assert run_once() == Report()


class TestTelling:
    def test_it_is_told_once_and_its_end_is_told_once(self) -> None:
        rule("wait", 300)
        late = waiting(9)
        assert run_once().told == 1
        assert run_once().told == 0
        late.delete()
        assert run_once().recovered == 1
        assert run_once().recovered == 0
        assert subjects() == ["Alert: wait above 300", "Over: wait above 300"]
        assert mail.outbox[0].to == [TO]
        assert "default is within bounds again" in mail.outbox[1].body

    def test_within_the_cool_down_it_is_not_told_again(self) -> None:
        rule("wait", 300, cooldown=HOUR)
        for _ in range(3):
            late = waiting(9)
            run_once()
            late.delete()
            run_once()
        assert subjects() == ["Alert: wait above 300", "Over: wait above 300"]
        assert Alert.objects.count() == 3

    def test_what_is_still_so_after_the_cool_down_is_told(self) -> None:
        rule("wait", 300, cooldown=HOUR)
        late = waiting(9)
        run_once()
        late.delete()
        run_once()
        waiting(9)
        run_once()
        Alert.objects.filter(told_at__isnull=False).update(told_at=ago(hours=2))
        run_once()
        assert len(subjects()) == 3

    def test_another_subject_has_a_cool_down_of_its_own(self) -> None:
        rule("wait", 300)
        waiting(9)
        waiting(9, "low")
        assert run_once().told == 2

    def test_a_message_that_could_not_be_sent_is_tried_again(self, settings: Any) -> None:
        rule("wait", 300, channel="webhook", target="http://127.0.0.1:9/hook")
        waiting(9)
        report = run_once()
        assert report.told == 0
        assert "cannot be reached" in report.troubles[0]
        AlertRule.objects.update(channel="mail", target=TO)
        assert run_once().told == 1

    def test_the_log_is_a_channel_too(self, caplog: pytest.LogCaptureFixture) -> None:
        rule("wait", 300, channel="log", target="")
        waiting(9)
        with caplog.at_level(logging.INFO, "jobs.notify"):
            run_once()
        assert "has waited 9 min" in caplog.text

    def test_a_rule_that_is_switched_off_closes_in_silence(self) -> None:
        made = rule("wait", 300)
        waiting(9)
        run_once()
        AlertRule.objects.filter(pk=made.pk).update(enabled=False)
        run_once()
        assert opened() == {}
        assert len(subjects()) == 1


class TestWatchingOutsideOfWorkers:
    def test_queue_monitor_watches_too(self) -> None:
        rule("workers", 1)
        out = io.StringIO()
        with pytest.raises(CommandError, match="0 workers alive"):
            call_command("queue_monitor", "--alerts", stdout=out)
        assert subjects() == ["Alert: workers above 1"]

    def test_and_tells_json(self) -> None:
        rule("workers", 1)
        out = io.StringIO()
        with pytest.raises(CommandError):
            call_command("queue_monitor", "--alerts", "--json", stdout=out)
        assert json.loads(out.getvalue())["alerts"] == ["0 workers alive."]


class TestTheAdmin:
    def test_rules_are_added_changed_and_removed_with_an_audit(self, boss: Client) -> None:
        data = {
            "name": "late", "enabled": "on", "kind": "wait", "limit": "300", "queue": "",
            "definition": "", "schedule": "", "window": "00:15:00", "channel": "webhook",
            "target": "https://hooks.example.org/secret", "cooldown": "01:00:00",
        }  # fmt: skip
        assert boss.post(reverse("admin:jobs_alertrule_add"), data).status_code == 302
        made = AlertRule.objects.get()
        page = reverse("admin:jobs_alertrule_change", args=[made.pk])
        assert boss.post(page, {**data, "limit": "600"}).status_code == 302
        delete = reverse("admin:jobs_alertrule_delete", args=[made.pk])
        assert boss.post(delete, {"post": "yes"}).status_code == 302
        entries = AuditEntry.objects.order_by("pk")
        assert [entry.action for entry in entries] == [
            "add alert rule", "change alert rule", "delete alert rule",
        ]  # fmt: skip
        assert not any("secret" in json.dumps([one.before, one.after]) for one in entries)

    @pytest.mark.parametrize(
        ("changed", "says"),
        [
            ({"limit": -1.0}, "greater than or equal to 0"),
            ({"target": "nobody"}, "is not a mail address"),
            ({"kind": "slow", "queue": "low"}, "Is of no use here"),
            ({"kind": "depth", "definition": "a.b"}, "Is of no use here"),
            ({"window": dt.timedelta(0)}, "Must be more than 0"),
            ({"kind": "nonsense"}, "is not a valid choice"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, changed: dict[str, Any], says: str) -> None:
        values = {"name": "x", "kind": "wait", "limit": 1.0, "target": TO, **changed}
        with pytest.raises(ValidationError, match=says):
            AlertRule(**values).full_clean()

    def test_who_may_only_look_sees_no_secret(self, browser_of: BrowserOf) -> None:
        made = rule("wait", 300, channel="webhook", target="https://hooks.example.org/secret")
        viewer = browser_of("view_alertrule", "view_alert")
        page = reverse("admin:jobs_alertrule_change", args=[made.pk])
        for address in (page, reverse("admin:jobs_alertrule_changelist")):
            assert "secret" not in viewer.get(address).text
        assert viewer.post(page, {"limit": "1"}).status_code == 403
        assert viewer.get(reverse("admin:jobs_alertrule_add")).status_code == 403

    def test_alerts_are_listed_open_and_over(self, boss: Client) -> None:
        rule("wait", 300)
        late = waiting(9)
        run_once()
        page = reverse("admin:jobs_alert_changelist")
        assert "has waited 9 min" in boss.get(page, {"state": "open"}).text
        late.delete()
        run_once()
        assert "has waited 9 min" not in boss.get(page, {"state": "open"}).text
        assert "has waited 9 min" in boss.get(page, {"state": "over"}).text
