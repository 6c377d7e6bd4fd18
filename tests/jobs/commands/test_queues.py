"""queue_status, queue_list, queue_monitor, queue_clear, queue_pause, queue_resume, queue_prune."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import load_command_class

from jobs.models import AuditEntry, FailedJob, Job, JobState, JobTag, Queue
from tests.jobs.factories import (
    ClusterFactory,
    FailedJobFactory,
    JobFactory,
    WorkerFactory,
    ago,
    many_jobs,
)

pytestmark = pytest.mark.django_db
Run = Callable[..., Any]
COMMANDS = (
    "queue_status",
    "queue_list",
    "queue_failed",
    "queue_retry",
    "queue_forget",
    "queue_flush",
    "queue_clear",
    "queue_pause",
    "queue_resume",
    "queue_prune",
    "queue_monitor",
)


def test_the_status_has_a_number_for_every_state(run: Run) -> None:
    many_jobs(3)
    JobFactory(state="failed")

    status = run("queue_status", "--json").json

    assert status["jobs"] == {
        "blocked": 0,
        "scheduled": 0,
        "ready": 3,
        "running": 0,
        "succeeded": 0,
        "failed": 1,
        "cancelled": 0,
    }
    assert status["clusters"] == status["workers"] == []
    assert [queue["name"] for queue in status["queues"]][:3] == ["critical", "high", "default"]


def test_the_status_tells_of_clusters_and_what_their_workers_do(run: Run) -> None:
    cluster = ClusterFactory(name="web-1")
    worker = WorkerFactory(cluster=cluster)
    JobFactory(state="running", worker=worker, started_at=ago(seconds=5))

    status = run("queue_status", "--json").json

    assert [(c["name"], c["alive"]) for c in status["clusters"]] == [("web-1", True)]
    (state,) = status["workers"]
    assert state["definition"] == "tests.jobs.sample_jobs.add"
    assert state["running_for"] >= 5
    assert "web-1" in run("queue_status").out


def test_a_check_of_the_status_fails_without_a_live_cluster(run: Run) -> None:
    assert run("queue_status").code == 0
    assert run("queue_status", "--check").code == 1
    ClusterFactory(heartbeat_at=ago(minutes=5))
    assert run("queue_status", "--check").code == 1
    ClusterFactory()
    assert run("queue_status", "--check").code == 0


def test_queues_are_listed_with_what_was_decided_about_them(run: Run) -> None:
    Queue.objects.create(pk="low", max_waiting=7)
    run("queue_pause", "low", "--reason", "month end")
    JobFactory(queue="imports")

    listed = {queue["name"]: queue for queue in run("queue_list", "--json").json["queues"]}

    assert (listed["low"]["paused"], listed["low"]["max_waiting"]) == (True, 7)
    assert listed["low"]["paused_reason"] == "month end"
    assert listed["imports"]["ready"] == 1


def test_jobs_are_listed_by_queue_state_definition_and_tag(run: Run) -> None:
    wanted = JobFactory(queue="low", state="scheduled", definition="tests.jobs.sample_jobs.flaky")
    JobTag.objects.create(job=wanted, name="acme")
    JobFactory(queue="low")
    JobFactory(state="scheduled")

    for arguments in (
        ("low", "--state", "scheduled"),
        ("--definition", "tests.jobs.sample_jobs.flaky"),
        ("--tag", "acme"),
    ):
        (found,) = run("queue_list", *arguments, "--json").json["jobs"]
        assert found["id"] == str(wanted.pk)
        assert found["life_cycle"] == "dispatched"
    assert str(wanted.pk) in run("queue_list", "low").out
    assert run("queue_list", "high").code == 1
    assert run("queue_list", "hihg").code == 2
    assert run("queue_list", "--definition", "tests.jobs.sample_jobs.flakyy").code == 2


def test_the_monitor_fails_when_a_queue_is_over_its_limit(run: Run) -> None:
    many_jobs(3, queue="low")
    Queue.objects.create(pk="low", max_waiting=2)

    ran = run("queue_monitor", "--json")

    assert ran.code == 1
    assert ran.json["over_limit"] == ["low"]
    assert "Queue low is backed up (3 jobs)" in ran.error
    assert run("queue_monitor", "--max", "3").code == 0
    assert run("queue_monitor", "high").code == 0


def test_the_monitor_fails_when_the_oldest_job_has_waited_too_long(run: Run) -> None:
    JobFactory(queue="low", enqueued_at=ago(minutes=10))

    assert run("queue_monitor", "--max-wait", "20m").code == 0
    ran = run("queue_monitor", "low", "--max-wait", "5m")
    assert (ran.code, "waited 10 min" in ran.error) == (1, True)


def test_the_monitor_watches_until_it_is_interrupted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def pass_time(seconds: int) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt
        many_jobs(2, queue="low")

    monkeypatch.setattr("time.sleep", pass_time)

    ran = run("queue_monitor", "low", "--max", "3", "--watch", "5")

    assert looks == [5, 5, 5]
    assert ran.out.count("low") == 3
    assert ran.code == 1


def test_clearing_a_queue_asks_with_the_exact_number(run: Run) -> None:
    many_jobs(2, queue="low")
    JobFactory(queue="low", state="scheduled")
    JobFactory(queue="high")

    asked = run("queue_clear", "low")
    assert asked.code == 2
    assert "Cancel 3 jobs of the queue low (1 scheduled, 2 ready)?" in asked.error
    assert Job.objects.waiting().count() == 4

    assert run("queue_clear", "low", "--yes", "--json").json["cancelled"] == 3
    assert Job.objects.waiting().get().queue == "high"
    assert run("queue_clear", "low", "--yes").code == 1
    assert run("queue_clear", "lwo", "--yes").code == 2


def test_queues_are_paused_and_resumed_by_name(run: Run) -> None:
    ran = run("queue_pause", "low", "ai", "--until", "2h", "--json")

    assert ran.json == {"paused": ["low", "ai"], "changed": ["low", "ai"]}
    assert Queue.objects.filter(paused_until__isnull=False).count() == 2
    assert run("queue_resume", "low", "--json").json == {"resumed": ["low"]}
    assert run("queue_resume", "--all", "--json").json == {"resumed": ["ai"]}
    assert Queue.objects.filter(paused_at__isnull=False).count() == 0
    assert AuditEntry.objects.filter(surface="command").count() == 4


def test_one_unknown_queue_among_good_ones_changes_nothing(run: Run) -> None:
    ran = run("queue_pause", "low", "hihg")

    assert ran.code == 2
    assert "Did you mean 'high'" in ran.error
    assert not Queue.objects.filter(paused_at__isnull=False).exists()


def test_pruning_by_hours_removes_what_is_older_and_is_recorded(run: Run) -> None:
    old = JobFactory(state="succeeded", finished_at=ago(hours=30), started_at=ago(hours=31))
    kept = JobFactory(state="succeeded", finished_at=ago(hours=3))
    failure = FailedJobFactory(failed_at=ago(hours=30))

    found = run("queue_prune", "--hours", "24", "--only", "succeeded", "--dry-run", "--json")
    assert found.json["would_remove"]["jobs"] == 1
    assert Job.objects.filter(pk=old.pk).exists()

    ran = run("queue_prune", "--hours", "24", "--only", "succeeded", "--json")
    assert ran.json["removed"]["jobs"] == 1
    assert set(Job.objects.filter(state="succeeded")) == {kept}
    assert FailedJob.objects.get() == failure
    assert AuditEntry.objects.get().action == "prune"

    assert run("queue_prune", "--hours", "24", "--json").json["removed"]["failed_jobs"] == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_its_exit_codes_and_prints_json(name: str) -> None:
    parser = load_command_class("jobs", name).create_parser("manage.py", name)
    told = " ".join(parser.format_help().split())

    assert "Exit codes: 0: done;" in told
    assert "2: refused, nothing was changed." in told
    assert "--json" in told


def test_what_is_printed_as_json_is_json_and_nothing_else(run: Run) -> None:
    many_jobs(2, state=JobState.READY)
    FailedJobFactory()

    for command in ("queue_status", "queue_list", "queue_failed", "queue_monitor"):
        assert isinstance(json.loads(run(command, "--json").out), dict)


def test_an_option_that_would_do_nothing_is_refused(run: Run) -> None:
    failed = FailedJobFactory()
    queues = run("queue_list", "--limit", "3")
    assert (queues.code, "--limit" in queues.error) == (2, True)
    one = run("queue_failed", str(failed.pk), "--queue", "high", "--unretried")
    assert (one.code, one.out) == (2, "")
    assert "--queue, --unretried" in one.error


@pytest.mark.parametrize("command", ["queue_list", "queue_failed", "queue_retry"])
def test_the_bare_name_of_a_function_is_answered_with_its_path(run: Run, command: str) -> None:
    done = run(command, "--definition", "add")
    assert done.code == 2
    assert "Did you mean 'tests.jobs.sample_jobs.add'?" in done.error


@pytest.mark.parametrize("stopped_by", [EOFError, KeyboardInterrupt])
def test_a_question_that_is_left_with_a_key_is_answered_with_no(
    run: Run, monkeypatch: pytest.MonkeyPatch, stopped_by: type[BaseException]
) -> None:
    def leave() -> str:
        raise stopped_by

    many_jobs(2, queue="high")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", leave)
    done = run("queue_clear", "high")
    assert (done.code, "Nothing was changed." in done.error) == (1, True)
    assert Job.objects.filter(state=JobState.READY).count() == 2


def test_an_interrupted_command_ends_without_a_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    many_jobs(1, queue="high")
    monkeypatch.setattr("jobs.management.commands.queue_clear.clear_queue", interrupt)
    done = run("queue_clear", "high", "--yes")
    assert (done.code, done.error) == (130, "Interrupted. What was done until then is done.")


def test_many_removed_rows_are_told_in_readable_numbers(run: Run) -> None:
    many_jobs(1001, state=JobState.SUCCEEDED, finished_at=ago(days=30))
    assert run("queue_prune", "--dry-run").out.strip() == "Would remove 1,001 jobs."
