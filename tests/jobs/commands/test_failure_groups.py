"""queue_failed --groups, queue_group, and the commands that take --group."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import load_command_class

from jobs.models import AuditEntry, FailedJob, FailureGroup, GroupStatus
from tests.jobs.factories import FailureGroupFactory, ago, many_failed_jobs

pytestmark = pytest.mark.django_db
Run = Callable[..., Any]
A, B = "a" * 32, "b" * 32


def two_groups() -> None:
    FailureGroupFactory(fingerprint=A, count=5, message="order ? was declined")
    many_failed_jobs(2, fingerprint=A, queue="low")
    many_failed_jobs(1, fingerprint=A, queue="high", failed_at=ago(hours=3))
    FailureGroupFactory(
        fingerprint=B, status=GroupStatus.RESOLVED, resolved_at=ago(hours=1), last_seen=ago(days=2)
    )


def test_groups_are_listed_the_one_that_failed_last_first(run: Run) -> None:
    two_groups()

    listed = run("queue_failed", "--groups", "--json").json

    assert [group["fingerprint"] for group in listed["groups"]] == [A, B]
    first = listed["groups"][0]
    assert (first["count"], first["queues"], sum(first["trend"])) == (5, ["high", "low"], 3)
    assert (first["status"], listed["groups"][1]["status"]) == ("open", "resolved")
    assert listed["more"] is False
    text = run("queue_failed", "--groups").out
    assert "order ? was declined" in text
    assert A in text


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--status", "resolved"), [B]),
        (("--status", "muted"), []),
        (("--queue", "low"), [A]),
        (("--definition", "tests.jobs.sample_jobs.add"), [A]),
        (("--since", "1d"), [A]),
        (("--limit", "1"), [A]),
    ],
)
def test_listed_groups_are_narrowed(run: Run, arguments: tuple[str, ...], found: list[str]) -> None:
    two_groups()

    listed = run("queue_failed", "--groups", *arguments, "--json").json

    assert [group["fingerprint"] for group in listed["groups"]] == found
    assert listed["more"] is ("--limit" in arguments)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--groups", "--unretried"), "leave out --unretried"),
        (("--groups", "--group", "aaaa"), "leave out --group"),
        (("--status", "open"), "--status is for --groups"),
        (("--groups", "--queue", "lwo"), "Did you mean 'low'"),
        (("--group", "ffff"), "There is no failure group 'ffff'."),
        (("--group", "a"), "needs at least 4 digits"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Run, arguments: tuple[str, ...], told: str
) -> None:
    two_groups()

    ran = run("queue_failed", *arguments)

    assert (ran.code, told in ran.error) == (2, True), ran.error


def test_where_nothing_failed_that_is_said(run: Run) -> None:
    assert run("queue_failed", "--groups").out.strip() == "No failure groups."
    assert run("queue_failed", "--groups", "--status", "open").out.strip() == (
        "No failure groups that are open."
    )


def test_the_failed_jobs_of_a_group_are_listed_retried_and_flushed(run: Run) -> None:
    two_groups()
    many_failed_jobs(4, fingerprint=B)

    assert len(run("queue_failed", "--group", "aaaa", "--json").json["failed"]) == 3
    dry = run("queue_retry", "--group", "aaaa", "--queue", "low", "--dry-run", "--json").json
    assert dry["would_retry"] == 2
    assert run("queue_retry", "--group", A, "--json").json["retried"] == 3
    assert FailedJob.objects.unretried().filter(fingerprint=B).count() == 4
    assert "of the failure group" in AuditEntry.objects.get().target
    assert run("queue_retry", "--group", A).code == 1
    assert run("queue_flush", "--group", B, "--yes", "--json").json == {"flushed": 4}


def test_a_group_is_forgotten_after_a_question_with_the_exact_number(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_groups()

    asked = run("queue_forget", "--group", A)
    assert (asked.code, "Forget 3 failed jobs (failed jobs of the failure" in asked.error) == (
        2, True,
    )  # fmt: skip
    assert run("queue_forget", "--group", A, "--dry-run", "--json").json == {"would_forget": 3}
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda *prompt: "n")
    assert run("queue_forget", "--group", A).code == 1
    assert FailedJob.objects.count() == 3

    assert run("queue_forget", "--group", A, "--yes", "--json").json == {"forgotten": 3}
    assert FailureGroup.objects.get(pk=A).count == 5
    assert run("queue_forget", "--group", A, "--yes").code == 1


@pytest.mark.parametrize("arguments", [(), ("--group", A, "0192f3c4-5b6a-7d8e-9f01-23456789abcd")])
def test_what_is_forgotten_must_be_said_and_only_once(run: Run, arguments: tuple[str, ...]) -> None:
    two_groups()

    ran = run("queue_forget", *arguments, "--yes")

    assert (ran.code, "Say which" in ran.error) == (2, True)
    assert FailedJob.objects.count() == 3


def test_a_group_is_resolved_reopened_muted_and_unmuted(run: Run) -> None:
    FailureGroupFactory(fingerprint=A)

    def status() -> str:
        return FailureGroup.objects.get().status

    ran = run("queue_group", "resolve", "aaaa", "--reason", "fixed", "--json")
    assert (ran.code, ran.json["changed"], status()) == (0, 1, "resolved")
    assert ran.json["groups"][0]["status"] == "resolved"
    entry = AuditEntry.objects.get()
    assert (entry.surface, entry.action, entry.reason) == ("command", "resolve group", "fixed")
    again = run("queue_group", "resolve", A)
    assert (again.code, "Nothing was resolved." in again.error) == (1, True)

    assert (run("queue_group", "reopen", A).code, status()) == (0, "open")
    assert (run("queue_group", "mute", A, "--until", "2h").code, status()) == (0, "muted")
    assert FailureGroup.objects.get().muted_until is not None
    assert (run("queue_group", "unmute", A).code, status()) == (0, "open")
    assert (run("queue_group", "mute", A).code, status()) == (0, "muted")
    assert FailureGroup.objects.get().muted_until is None


def test_a_dry_run_decides_nothing(run: Run) -> None:
    FailureGroupFactory(fingerprint=A)

    assert run("queue_group", "resolve", A, "--dry-run", "--json").json == {"would_resolve": [A]}

    assert FailureGroup.objects.get().status == GroupStatus.OPEN
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("resolve", A, "--until", "2h"), "--until is for mute"),
        (("mute", A, "--until", "2020-01-01"), "is in the past"),
        (("resolve", A, "ffff"), "There is no failure group 'ffff'."),
        (("delete", A), "invalid choice: 'delete'"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    run: Run, arguments: tuple[str, ...], told: str
) -> None:
    FailureGroupFactory(fingerprint=A)

    ran = run("queue_group", *arguments)

    assert ran.code != 0
    assert told in ran.error
    assert FailureGroup.objects.get().status == GroupStatus.OPEN


def test_it_explains_its_exit_codes() -> None:
    parser = load_command_class("jobs", "queue_group").create_parser("manage.py", "queue_group")
    told = " ".join(parser.format_help().split())

    assert "Exit codes: 0: done; 1: nothing changed" in told
    assert "--json" in told
