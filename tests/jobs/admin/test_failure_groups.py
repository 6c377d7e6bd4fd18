"""Failure groups in the admin: the list, the page, the operations, and who may do what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from jobs.admin.sparkline import HEIGHT, sparkline
from jobs.failures.patterns import Trend
from jobs.models import AuditEntry, FailedJob, FailureGroup, GroupStatus, Job
from tests.jobs.admin.conftest import BrowserOf
from tests.jobs.admin.test_operations import confirm, entry, told
from tests.jobs.factories import (
    FailedJobFactory,
    FailureGroupFactory,
    WorkerFactory,
    ago,
    many_failed_jobs,
)

LIST = "admin:jobs_failuregroup_changelist"
A, B = "a" * 32, "b" * 32
VERBS = ("retry", "forget", "resolve", "reopen", "mute", "note")


def listed(browser: Client, query: str = "") -> list[str]:
    page = browser.get(reverse(LIST) + query)
    assert page.status_code == 200, page
    return [group.pk for group in page.context["cl"].result_list]


def page_of(browser: Client, group: FailureGroup) -> str:
    return browser.get(reverse("admin:jobs_failuregroup_change", args=[group.pk])).text


def address(verb: str, group: FailureGroup) -> str:
    return reverse(f"admin:jobs_failuregroup_{verb}", args=[group.pk])


def resolved(**facts: Any) -> FailureGroup:
    return FailureGroupFactory(status=GroupStatus.RESOLVED, resolved_at=ago(hours=1), **facts)


def test_the_list_shows_count_trend_queues_and_status(boss: Client) -> None:
    FailureGroupFactory(fingerprint=A, count=1234, message="order ? was declined", reopened=2)
    many_failed_jobs(2, fingerprint=A, queue="low")
    many_failed_jobs(1, fingerprint=A, queue="high")

    page = boss.get(reverse(LIST)).text

    assert "order ? was declined" in page
    assert "1,234" in page
    assert 'aria-label="3 in the last 24 hours' in page
    assert "high, low" in page
    assert "came back 2 times" in page


def test_the_list_takes_as_many_queries_for_many_groups_as_for_one(boss: Client) -> None:
    counts = []
    boss.get(reverse(LIST))
    for number in (1, 30):
        for place in range(number):
            fingerprint = f"{number:016x}{place:016x}"
            FailureGroupFactory(fingerprint=fingerprint)
            many_failed_jobs(1, fingerprint=fingerprint)
        with CaptureQueriesContext(connection) as seen:
            boss.get(reverse(LIST))
        counts.append(len(seen))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [B, A]),
        ("?status=open", [B]),
        ("?status=resolved", [A]),
        ("?status=muted", []),
        ("?queue=low", [A]),
        ("?queue=ai", [B]),
        ("?queue=high", []),
        ("?definition=tests.jobs.sample_jobs.fails", [A]),
        ("?exception=builtins.KeyError", [B]),
        ("?q=aaaa", [A]),
        ("?q=keyerr", [B]),
        ("?q=declined", [A]),
        ("?q=nothing", []),
    ],
)
def test_groups_are_filtered_and_searched(boss: Client, query: str, found: list[str]) -> None:
    resolved(fingerprint=A, last_seen=ago(hours=2), message="order ? was declined")
    many_failed_jobs(1, fingerprint=A, queue="low", definition="tests.jobs.sample_jobs.fails")
    FailureGroupFactory(
        fingerprint=B, exception_class="builtins.KeyError", status=GroupStatus.MUTED,
        muted_until=ago(minutes=1), queue="ai",
    )  # fmt: skip

    assert listed(boss, query) == found


def test_a_status_that_is_none_is_told_of(boss: Client) -> None:
    page = boss.get(reverse(LIST) + "?status=gone", follow=True)

    assert "was not valid and has been left out" in page.text


def test_groups_are_paged_each_once(boss: Client) -> None:
    moment = ago(minutes=5)
    for number in range(70):
        FailureGroupFactory(fingerprint=f"{number:032x}", last_seen=moment)

    first = boss.get(reverse(LIST))
    second = boss.get(reverse(LIST) + first.context["cl"].older_url)

    both = [group.pk for page in (first, second) for group in page.context["cl"].result_list]
    assert both == [f"{number:032x}" for number in range(69, -1, -1)]


def test_the_page_tells_all_about_a_group(boss: Client) -> None:
    group = FailureGroupFactory(fingerprint=A, note="ask <the> bank", count=3, release="v41")
    worker = WorkerFactory(host="web-7", cluster__release="v42")
    newest = FailedJobFactory(
        fingerprint=A, queue="low", worker=worker, message="order 9 was declined",
        traceback="Traceback\nshop.errors.Declined: order 9 was declined\n",
    )  # fmt: skip
    fails = "tests.jobs.sample_jobs.fails"
    many_failed_jobs(2, fingerprint=A, definition=fails, failed_at=ago(hours=1))

    page = page_of(boss, group)

    assert "ask &lt;the&gt; bank" in page
    assert "shop.errors.Declined: order 9 was declined" in page
    assert reverse("admin:jobs_failedjob_change", args=[newest.pk]) in page
    assert f"{reverse('admin:jobs_failedjob_changelist')}?fingerprint={A}" in page
    assert "web-7" in page
    assert "Started with" in page
    assert "v41" in page
    assert "v42" in page
    assert "(1)" in page
    assert "(2)" in page
    assert "<script" not in page.partition('id="content-main"')[2]
    assert "style=" not in page.partition('id="content-main"')[2]


def test_the_page_of_a_group_whose_failed_jobs_are_gone_says_so(boss: Client) -> None:
    page = page_of(boss, FailureGroupFactory())

    assert "its failed jobs were forgotten" in page
    assert "No failed job of it is left." in page


def test_a_failed_job_links_to_its_group(boss: Client, browser_of: BrowserOf) -> None:
    failed = FailedJobFactory()
    group = FailureGroupFactory()
    link = reverse("admin:jobs_failuregroup_change", args=[group.pk])
    page = reverse("admin:jobs_failedjob_change", args=[failed.pk])

    assert link in boss.get(reverse("admin:jobs_failedjob_changelist")).text
    assert link in boss.get(page).text
    assert link not in browser_of("view_failedjob").get(page).text


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=24))
def test_the_bars_fit_the_height_and_no_failure_is_invisible(counts: list[int]) -> None:
    drawn = sparkline(Trend(counts))

    heights = [int(part.split('"')[0]) for part in drawn.split(' height="')[2:]]
    assert len(heights) == sum(count > 0 for count in counts)
    assert all(0 < height <= HEIGHT for height in heights)
    assert not any(counts) or max(heights) == HEIGHT


def test_retrying_a_group_says_exactly_how_many_of_what(boss: Client) -> None:
    group = FailureGroupFactory(fingerprint=A)
    many_failed_jobs(3, fingerprint=A, queue="ai")
    many_failed_jobs(2, fingerprint=A, queue="low", retried_at=timezone.now())
    many_failed_jobs(5, fingerprint=B)

    page = boss.get(address("retry", group)).text
    assert f"Retry failure group {group}?" in page
    assert "<td>3</td>" in page
    assert "ai (3)" in page
    done = confirm(boss, address("retry", group), shown_at=timezone.now().isoformat())

    assert "Retried 3 failed jobs." in told(done)
    assert Job.objects.filter(retry_of__isnull=False).count() == 3
    assert entry().target == f"failed jobs of failure group {group}"


def test_what_fails_while_the_confirmation_is_read_is_not_forgotten(boss: Client) -> None:
    group = FailureGroupFactory(fingerprint=A)
    many_failed_jobs(2, fingerprint=A)
    page = boss.get(address("forget", group))
    shown_at = page.context["form"]["shown_at"].value()
    many_failed_jobs(1, fingerprint=A)

    done = confirm(boss, address("forget", group), shown_at=shown_at)

    assert "Forgot 2 failed jobs." in told(done)
    assert FailedJob.objects.count() == 1
    assert FailureGroup.objects.get().count == 1


@pytest.mark.parametrize("shown_at", ["", "yesterday", "0001-01-01T00:00:00+14:00"])
def test_a_confirmation_that_does_not_say_when_it_was_shown_does_nothing(
    boss: Client, shown_at: str
) -> None:
    group = FailureGroupFactory(fingerprint=A)
    many_failed_jobs(2, fingerprint=A)

    page = confirm(boss, address("forget", group), shown_at=shown_at)

    assert "nothing was done" in page.text
    assert FailedJob.objects.count() == 2


def test_a_group_without_failed_jobs_has_nothing_to_retry(boss: Client) -> None:
    page = boss.get(address("retry", FailureGroupFactory())).text

    assert "There is nothing to retry" in page


def test_a_group_is_resolved_and_reopened(boss: Client) -> None:
    group = FailureGroupFactory()

    done = confirm(boss, address("resolve", group), reason="fixed in 1.2")
    group.refresh_from_db()
    assert (group.status, group.resolved_by) == (GroupStatus.RESOLVED, "boss")
    assert "Resolved 1 failure group." in told(done)
    assert 'title="This group is resolved already."' in page_of(boss, group)

    done = confirm(boss, address("reopen", group))
    group.refresh_from_db()
    assert group.status == GroupStatus.OPEN
    assert "Reopened 1 failure group." in told(done)
    assert 'title="This group is not resolved."' in page_of(boss, group)


def test_a_group_is_muted_until_a_moment_and_unmuted(boss: Client) -> None:
    group = FailureGroupFactory()
    until = timezone.localtime(timezone.now() + dt.timedelta(hours=2)).replace(
        second=0, microsecond=0
    )

    confirm(boss, address("mute", group), until=f"{until:%Y-%m-%dT%H:%M}")
    group.refresh_from_db()
    assert (group.status, group.muted_until) == (GroupStatus.MUTED, until)
    assert 'Muted</span> <span class="jobs-quiet">ends <time' in page_of(boss, group)

    done = confirm(boss, address("unmute", group))
    group.refresh_from_db()
    assert group.status == GroupStatus.OPEN
    assert "Unmuted 1 failure group." in told(done)


def test_a_mute_that_ends_in_the_past_is_refused_at_its_field(boss: Client) -> None:
    group = FailureGroupFactory()

    page = confirm(boss, address("mute", group), until="2020-01-01T00:00")

    assert "must be in the future" in page.text
    group.refresh_from_db()
    assert group.status == GroupStatus.OPEN


def test_a_note_is_written(boss: Client) -> None:
    group = FailureGroupFactory(note="old words")

    assert "old words" in boss.get(address("note", group)).text
    done = confirm(boss, address("note", group), note="new words")

    assert "Wrote the note." in told(done)
    assert "new words" in page_of(boss, group)
    assert entry().before == {"note": "old words"}


def test_selected_groups_are_resolved_and_no_others(boss: Client) -> None:
    FailureGroupFactory(fingerprint=A, count=40)
    FailureGroupFactory(fingerprint=B)
    resolved(fingerprint="c" * 32, count=7)
    data = {"action": "resolve_selected", ACTION_CHECKBOX_NAME: [A, "c" * 32]}

    asked = boss.post(reverse(LIST), data)
    done = boss.post(reverse(LIST), {**data, "confirmed": "yes", "select_across": "1"})

    assert "Resolve 1 failure group?" in asked.text
    assert "<td>40</td>" in asked.text
    assert "Resolved 1 failure group." in told(done)
    assert FailureGroup.objects.get(pk=B).status == GroupStatus.OPEN


def surface(verb: str) -> tuple[FailureGroup, str]:
    """A group to which it can be done, and the name of its permission."""
    make: Callable[..., FailureGroup] = resolved if verb == "reopen" else FailureGroupFactory
    status = {"status": GroupStatus.MUTED} if verb == "unmute" else {}
    group = make(**status)
    FailedJobFactory(fingerprint=group.pk)
    return group, f"{'mute' if verb == 'unmute' else verb}_failuregroup"


def everything() -> list[Any]:
    tables = (FailureGroup, FailedJob, Job, AuditEntry)
    return [list(table.objects.order_by("pk").values()) for table in tables]


@pytest.mark.parametrize("role", ["nobody", "no viewer", "viewer", "all but this", "just this"])
@pytest.mark.parametrize("verb", [*VERBS, "unmute"])
def test_only_who_has_its_permission_is_offered_and_allowed_an_operation(
    browser_of: BrowserOf, verb: str, role: str
) -> None:
    group, needed = surface(verb)
    others = [f"{other}_failuregroup" for other in VERBS if f"{other}_failuregroup" != needed]
    viewer = ("view_failuregroup", "view_failedjob", "view_job")
    roles = {
        "nobody": (), "no viewer": (needed,), "viewer": viewer,
        "all but this": (*viewer, *others, "retry_failedjob", "forget_failedjob"),
        "just this": (*viewer, needed),
    }  # fmt: skip
    browser = browser_of(*roles[role])
    allowed = role == "just this"
    before = everything()
    data = {
        "confirmed": "yes", "shown_at": timezone.now().isoformat(), "note": "new",
        "action": f"{verb}_selected", ACTION_CHECKBOX_NAME: group.pk,
    }  # fmt: skip

    page = browser.get(reverse("admin:jobs_failuregroup_change", args=[group.pk]))
    offered = page.status_code == 200 and f"/{verb}/" in page.text
    asked = browser.get(address(verb, group))

    assert offered == allowed
    assert asked.status_code == (200 if allowed else 403)
    assert everything() == before, "looking has changed something"
    if not allowed:
        if verb != "note":
            assert browser.post(reverse(LIST), data).status_code == 403
        assert browser.post(address(verb, group), data).status_code == 403
        assert everything() == before
        return

    unconfirmed = {key: value for key, value in data.items() if key != "confirmed"}
    assert browser.post(address(verb, group), unconfirmed).status_code == 200
    assert everything() == before
    assert browser.post(address(verb, group), data).status_code == 302
    assert everything() != before
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_a_group_cannot_be_edited(boss: Client, page: str) -> None:
    group = FailureGroupFactory()
    arguments = [] if page == "add" else [group.pk]

    done = boss.post(reverse(f"admin:jobs_failuregroup_{page}", args=arguments), {"post": "yes"})

    assert done.status_code == 403
    assert FailureGroup.objects.get().note == ""
