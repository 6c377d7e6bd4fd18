"""Lists: what they find, how they page, and that they stay quick however many rows there are."""

from __future__ import annotations

import datetime as dt
import json
import re
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.audit import Actor
from jobs.cancelling import cancel
from jobs.identifiers import uuid7, uuid7_floor
from jobs.models import FailedJob, Job, JobState, JobTag, Queue
from tests.jobs.factories import FailedJobFactory, JobFactory, ago, many_failed_jobs, many_jobs

JOBS = "admin:jobs_job_changelist"
FAILED = "admin:jobs_failedjob_changelist"


def listed(browser: Client, query: str = "", noun: str = "job") -> list[object]:
    page = browser.get(reverse(f"admin:jobs_{noun}_changelist") + query)
    assert page.status_code == 200, page
    return [row.pk for row in page.context["cl"].result_list]


def old_job(**values: object) -> Job:
    moment = ago(days=3)
    random = uuid7().int & (1 << 62) - 1
    old_id = type(uuid7())(int=uuid7_floor(moment).int | random)
    return JobFactory(id=old_id, enqueued_at=moment, **values)


@pytest.mark.parametrize(
    "query",
    [
        "?state=failed", "?queue=webhooks", "?definition=tests.jobs.sample_jobs.fails",
        "?tag=calcom", "?period=1h", "?state=failed&queue=webhooks&tag=calcom",
        "?q=fails", "?q=tag:calcom", "?q=calcom",
    ],
)  # fmt: skip
def test_a_filter_or_search_finds_the_one_job_it_means(boss: Client, query: str) -> None:
    wanted = JobFactory(
        state=JobState.FAILED, queue="webhooks", definition="tests.jobs.sample_jobs.fails"
    )
    JobTag.objects.create(job=wanted, name="calcom")
    other = old_job()
    JobTag.objects.create(job=other, name="calcom:other")

    assert listed(boss, query) == [wanted.pk]


def test_a_job_is_found_by_its_whole_id(boss: Client) -> None:
    wanted, _ = JobFactory(), JobFactory()

    assert listed(boss, f"?q={wanted.pk}") == [wanted.pk]
    assert listed(boss, f"?q={uuid4()}") == []


def test_a_definition_that_is_no_longer_registered_is_found_by_its_path(boss: Client) -> None:
    wanted = JobFactory(definition="gone.jobs.old")
    JobFactory()

    assert listed(boss, "?q=gone.jobs.old") == [wanted.pk]
    assert listed(boss, "?definition=gone.jobs.old") == [wanted.pk]


def test_a_range_of_times_finds_what_was_enqueued_in_it(boss: Client) -> None:
    recent, old = JobFactory(), old_job()
    border = (timezone.now() - dt.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")

    assert listed(boss, f"?from={border}") == [recent.pk]
    assert listed(boss, f"?to={border}") == [old.pk]
    assert listed(boss, f"?from={border}&to={border}") == []


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("?retried=no", "unretried"),
        ("?retried=yes", "retried"),
        ("?exception=builtins.ValueError", "retried"),
        ("?fingerprint=" + "a" * 32, "retried"),
        ("?period=24h", "unretried"),
        ("?q=ValueError", None),
        ("?q=builtins.ValueError", "retried"),
    ],
)
def test_failed_jobs_are_filtered(boss: Client, query: str, wanted: str | None) -> None:
    rows = {
        "unretried": FailedJobFactory(),
        "retried": FailedJobFactory(
            retried_at=ago(days=1), failed_at=ago(days=2), exception_class="builtins.ValueError",
            fingerprint="a" * 32,
        ),
    }  # fmt: skip

    assert listed(boss, query, "failedjob") == ([rows[wanted].pk] if wanted else [])


def test_a_failed_job_is_found_by_the_id_of_its_job(boss: Client) -> None:
    wanted, _ = FailedJobFactory(), FailedJobFactory()

    assert listed(boss, f"?q={wanted.job_id}", "failedjob") == [wanted.pk]
    assert listed(boss, f"?q={wanted.pk}", "failedjob") == [wanted.pk]


def test_the_jobs_of_a_queue_are_told_newest_first_whatever_states_they_are_in(
    boss: Client,
) -> None:
    moments = [ago(minutes=minutes) for minutes in range(2 * len(JobState.values))]
    wanted = [
        JobFactory(queue="ai", state=state, enqueued_at=moment).pk
        for moment, state in zip(moments, 2 * JobState.values, strict=True)
    ]
    JobFactory(queue="webhooks")

    assert listed(boss, "?queue=ai") == wanted
    assert listed(boss, "?queue=ai&state=running") == wanted[3 :: len(JobState.values)]


@pytest.mark.parametrize(
    ("query", "ordering"),
    [
        ("?state=succeeded", ("-finished_at", "-id")),
        ("?", ("-id",)),
        ("?queue=default", ("-enqueued_at", "-id")),
        ("?q=jobs.add", ("-enqueued_at", "-id")),
    ],
)
def test_pages_hold_each_job_once_forwards_and_backwards(
    boss: Client, query: str, ordering: tuple[str, ...]
) -> None:
    when = {"enqueued_at": ago(minutes=2), "finished_at": ago(minutes=1)}
    many_jobs(100, state=JobState.SUCCEEDED, **when)
    if "state" not in query:
        many_jobs(10, state=JobState.RUNNING, enqueued_at=ago(minutes=2))
    many_jobs(20, state=JobState.SUCCEEDED, **when)
    wanted = list(Job.objects.order_by(*ordering).values_list("pk", flat=True))

    forwards, page = [], boss.get(reverse(JOBS) + query)
    pages = [page]
    while page.context["cl"].older_url:
        page = boss.get(reverse(JOBS) + page.context["cl"].older_url)
        pages.append(page)
    for one in pages:
        forwards += [row.pk for row in one.context["cl"].result_list]
    assert forwards == wanted
    assert len(pages) == -(-len(wanted) // 50)

    backwards = [[row.pk for row in page.context["cl"].result_list]]
    while page.context["cl"].newer_url:
        page = boss.get(reverse(JOBS) + page.context["cl"].newer_url)
        backwards.insert(0, [row.pk for row in page.context["cl"].result_list])
    assert [pk for one in backwards for pk in one] == wanted


def test_a_page_keeps_the_filter_and_a_filter_leaves_the_page(boss: Client) -> None:
    many_jobs(60, queue="ai", enqueued_at=timezone.now())

    first = boss.get(reverse(JOBS) + "?queue=ai")
    second = boss.get(reverse(JOBS) + first.context["cl"].older_url)

    assert parse_qs(urlsplit(first.context["cl"].older_url).query)["queue"] == ["ai"]
    assert "after=" not in second.context["cl"].get_query_string({"state": "ready"})
    assert len(second.context["cl"].result_list) == 10


@pytest.mark.parametrize(
    "cursor",
    ["x", "[]", '["x"]', "[1, 2, 3]", "{}", "[null]", "null", "[[]]", '["\\u0000"]', "[" * 9000],
)
def test_a_cursor_that_is_none_leads_to_the_first_page_with_a_warning(
    boss: Client, cursor: str
) -> None:
    JobFactory()

    page = boss.get(reverse(JOBS), {"after": cursor}, follow=True)

    assert page.status_code == 200
    assert "was not valid and has been left out" in page.text


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_cursor_at_the_end_of_time_is_none(boss: Client, moment: str) -> None:
    FailedJobFactory()
    cursor = json.dumps([moment, "01a20603-468b-7898-9934-e2b6f5a67d9f"])

    page = boss.get(reverse("admin:jobs_failedjob_changelist"), {"after": cursor}, follow=True)

    assert "was not valid and has been left out" in page.text


def test_lists_of_any_length_take_the_same_few_queries_and_count_nothing(boss: Client) -> None:
    def statements(noun: str, query: str) -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            listed(boss, query, noun)
        return [one["sql"] for one in seen.captured_queries]

    queries = {
        "job": ["", "?state=ready", "?state=failed", "?queue=ai", "?tag=x", "?period=1h", "?q=add"],
        "failedjob": ["", "?queue=ai", "?retried=no", "?period=7d", "?q=add"],
    }
    few = {(noun, query): statements(noun, query) for noun in queries for query in queries[noun]}
    many_failed_jobs(150, queue="ai", definition="tests.jobs.sample_jobs.add")
    for job in Job.objects.filter(pk__in=many_jobs(150, queue="ai", state=JobState.READY)):
        JobTag.objects.create(job=job, name="x")

    for (noun, query), before in few.items():
        after = statements(noun, query)
        # The tags of a page's jobs are one more.
        assert len(after) <= len(before) + 1, (noun, query)
        for sql in after:
            assert not re.search(r"COUNT\(.*jobs_(job|failedjob)\b", sql), sql
            assert not re.search(r"DISTINCT.*jobs_job\b", sql), sql
            assert "OFFSET" not in sql


def test_a_list_does_not_read_what_it_does_not_show(boss: Client) -> None:
    JobFactory()
    FailedJobFactory()

    with CaptureQueriesContext(connection) as seen:
        listed(boss)
        listed(boss, noun="failedjob")

    for one in seen.captured_queries:
        assert '"traceback"' not in one["sql"]
        assert '"arguments"' not in one["sql"]


def test_choices_of_filters_come_from_settings_and_registry(boss: Client) -> None:
    Queue.objects.create(name="decided-about")

    page = boss.get(reverse(JOBS)).text

    assert "?queue=webhooks" in page
    assert "?queue=decided-about" in page
    assert '<option value="tests.jobs.sample_jobs.add">' in page


def test_the_cut_of_a_moment_lies_between_the_ids_before_and_after_it() -> None:
    before = uuid7()
    now = timezone.now()
    later = now + dt.timedelta(milliseconds=2)

    assert uuid7_floor(now - dt.timedelta(seconds=1)) < before < uuid7_floor(later)
    assert uuid7_floor(later).version == 7
    assert uuid7_floor(dt.datetime(1960, 1, 1, tzinfo=dt.UTC)).int >> 80 == 0


def test_the_audit_log_is_filtered_by_action_and_time(boss: Client) -> None:
    from jobs.models import AuditEntry

    wanted = AuditEntry.objects.create(
        actor_name="ada", surface="admin", action="pause", target="queue ai"
    )
    AuditEntry.objects.create(actor_name="ada", surface="admin", action="flush", target="all")

    assert listed(boss, "?action=pause&period=1h", "auditentry") == [wanted.pk]


def test_failed_jobs_keep_out_of_sight_nothing(boss: Client) -> None:
    many_failed_jobs(70)

    first = boss.get(reverse(FAILED))
    second = boss.get(reverse(FAILED) + first.context["cl"].older_url)

    seen = {row.pk for page in (first, second) for row in page.context["cl"].result_list}
    assert seen == set(FailedJob.objects.values_list("pk", flat=True))


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("", "-id"),
        ("?state=ready", "-id"),
        ("?state=succeeded", "-finished_at"),
        ("?state=scheduled", "due_at"),
        ("?state=succeeded&tag=x", "-id"),
        ("?state=succeeded&queue=ai", "-enqueued_at"),
        ("?definition=a.b", "-enqueued_at"),
        ("?queue=ai&tag=x", "-id"),
        ("?state=failed", "-finished_at"),
        ("?state=failed&queue=ai", "-finished_at"),
        ("?state=cancelled&tag=x", "-finished_at"),
    ],
)
def test_a_list_is_in_the_order_of_an_index_that_leads_to_its_rows(
    boss: Client, query: str, first: str
) -> None:
    page = boss.get(reverse(JOBS) + query)

    assert page.context["cl"].queryset.query.order_by[0] == first


def test_jobs_that_were_cancelled_at_once_are_on_one_page_each(boss: Client) -> None:
    cancel(many_jobs(60), Actor.of_code("a test"))

    first = boss.get(reverse(JOBS) + "?state=cancelled")
    second = boss.get(reverse(JOBS) + first.context["cl"].older_url)

    assert [len(page.context["cl"].result_list) for page in (first, second)] == [50, 10]
