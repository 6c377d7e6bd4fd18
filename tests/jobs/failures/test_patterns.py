"""Trends and patterns of failures."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.exceptions import InvalidOption
from jobs.failures import patterns
from jobs.models import FailedJob
from tests.jobs.factories import WorkerFactory, many_failed_jobs

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 3, 29, 10, 20, tzinfo=dt.UTC)
A, B = "a" * 32, "b" * 32


def minutes_ago(count: float) -> dt.datetime:
    return NOW - dt.timedelta(minutes=count)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ages=st.lists(st.floats(0, 3 * 24 * 60), max_size=12))
def test_each_failure_is_counted_in_the_hour_of_the_clock_in_which_it_was(
    db: None, ages: list[float]
) -> None:
    FailedJob.objects.all().delete()
    for age in ages:
        many_failed_jobs(1, fingerprint=A, failed_at=minutes_ago(age))

    trend = patterns.trends([A], NOW)[A]

    start = NOW.replace(minute=0)
    expected = [0] * 24
    for age in ages:
        hours = -((minutes_ago(age) - start) // dt.timedelta(hours=1))
        if hours < 24:
            expected[23 - max(0, hours)] += 1
    assert trend.counts == expected
    assert not trend.more


def test_the_trends_of_many_groups_are_one_query() -> None:
    many_failed_jobs(3, fingerprint=A, failed_at=minutes_ago(5))
    many_failed_jobs(2, fingerprint=B, failed_at=minutes_ago(70))
    many_failed_jobs(9, fingerprint="c" * 32, failed_at=minutes_ago(5))

    with CaptureQueriesContext(connection) as seen:
        found = patterns.trends([A, B, "d" * 32], NOW)

    assert len(seen) == 1
    assert found[A].counts[-2:] == [0, 3]
    assert found[B].counts[-3:] == [0, 2, 0]
    assert found["d" * 32].total == 0
    assert patterns.trends([], NOW) == {}


def test_a_failure_ahead_of_this_clock_is_in_the_current_hour() -> None:
    many_failed_jobs(1, fingerprint=A, failed_at=NOW + dt.timedelta(hours=1))

    assert patterns.trends([A], NOW)[A].counts[-1] == 1


def test_a_trend_looks_at_so_many_failures_and_says_when_there_are_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patterns, "PER_GROUP", 4)
    many_failed_jobs(5, fingerprint=A, failed_at=minutes_ago(30))
    many_failed_jobs(3, fingerprint=A, failed_at=minutes_ago(5))

    trend = patterns.trends([A], NOW)[A]

    assert (trend.counts[-2:], trend.amount) == ([1, 3], "4+")


def test_more_groups_than_a_query_can_have_parts_are_asked_in_several() -> None:
    many_failed_jobs(1, fingerprint=f"{600:032x}", failed_at=minutes_ago(5))
    wanted = [f"{number:032x}" for number in range(601)]

    assert sum(trend.total for trend in patterns.trends(wanted, NOW).values()) == 1
    assert patterns.queues_of(wanted)[wanted[-1]] == ["default"]


def test_a_pivot_counts_by_any_of_its_dimensions_the_most_frequent_first() -> None:
    one, two = WorkerFactory(host="web-1"), WorkerFactory(host="web-2")
    many_failed_jobs(3, queue="low", worker=one, failed_at=minutes_ago(3))
    many_failed_jobs(2, queue="high", worker=two, failed_at=minutes_ago(2))
    many_failed_jobs(1, queue="high", exception_class="KeyError", failed_at=minutes_ago(1))

    by_host = patterns.pivot(["host"])
    assert [(line.values, line.count) for line in by_host.lines] == [
        (("web-1",), 3), (("web-2",), 2), (("",), 1),
    ]  # fmt: skip
    assert (by_host.looked_at, by_host.more) == (6, False)
    by_two = patterns.pivot(["queue", "exception"])
    assert {line.values: line.count for line in by_two.lines} == {
        ("low", "tests.jobs.sample_jobs.Hopeless"): 3,
        ("high", "tests.jobs.sample_jobs.Hopeless"): 2,
        ("high", "KeyError"): 1,
    }
    (by_worker, *_) = patterns.pivot(["worker"]).lines
    assert (by_worker.values, by_worker.first) == ((str(one.pk),), minutes_ago(3))


def test_failures_are_told_apart_by_the_release_that_their_worker_ran() -> None:
    for release, count in (("v1", 1), ("v2", 3)):
        worker = WorkerFactory(cluster__release=release)
        many_failed_jobs(count, worker=worker)
    many_failed_jobs(1)
    found = patterns.pivot(["release"])
    assert {line.values: line.count for line in found.lines} == {("v2",): 3, ("v1",): 1, ("",): 1}


def test_a_pivot_is_of_a_period_and_of_a_group() -> None:
    for fingerprint, minutes in ((A, 1), (A, 10), (B, 1), (B, 100)):
        many_failed_jobs(1, fingerprint=fingerprint, failed_at=minutes_ago(minutes))

    def count(**period: Any) -> int:
        return sum(line.count for line in patterns.pivot(["queue"], **period).lines)

    assert count() == 4
    assert count(fingerprint=A) == 2
    assert count(since=minutes_ago(20)) == 3
    assert count(until=minutes_ago(5), fingerprint=B) == 1


def test_a_pivot_looks_at_the_newest_failures_and_tells_so_many_lines() -> None:
    many_failed_jobs(2, queue="old", failed_at=minutes_ago(9))
    for queue in ("a", "b", "c"):
        many_failed_jobs(1, queue=queue, failed_at=minutes_ago(1))

    found = patterns.pivot(["queue"], sample=3, lines=2)

    assert (found.looked_at, found.more) == (3, True)
    assert [line.values for line in found.lines] == [("a",), ("b",)]


@pytest.mark.parametrize("by", [["message"], [], ["queue", "arguments"]])
def test_a_dimension_that_there_is_not_is_refused(by: list[str]) -> None:
    with pytest.raises(InvalidOption, match="definition, queue, exception, host, release, worker"):
        patterns.pivot(by)


def test_what_a_group_affects_is_counted_by_queue_and_by_definition() -> None:
    many_failed_jobs(2, fingerprint=A, queue="low")
    many_failed_jobs(1, fingerprint=A, queue="high", definition="tests.jobs.sample_jobs.fails")
    many_failed_jobs(5, fingerprint=B, queue="ai")

    found = patterns.affected(A)

    assert found.queues == Counter({"low": 2, "high": 1})
    assert found.definitions == Counter(
        {"tests.jobs.sample_jobs.add": 2, "tests.jobs.sample_jobs.fails": 1}
    )
    assert patterns.queues_of([A, B]) == {A: ["high", "low"], B: ["ai"]}
