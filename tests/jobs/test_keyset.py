"""Reading many rows in an order, and walking them by their ids."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from jobs.keyset import first_of, pages
from jobs.models import Job, JobState, JobTag
from tests.jobs.factories import JobFactory, many_jobs

pytestmark = pytest.mark.django_db


def test_every_row_is_visited_once_in_ascending_order() -> None:
    ids = many_jobs(25)

    walked = list(pages(Job.objects.order_by("-enqueued_at"), 10))

    assert [len(page) for page in walked] == [10, 10, 5]
    assert [one for page in walked for one in page] == sorted(ids)


def test_rows_may_leave_the_filter_while_it_is_walked() -> None:
    many_jobs(25)

    for page in pages(Job.objects.ready(), 10):
        Job.objects.filter(pk__in=page).update(state="cancelled")

    assert not Job.objects.ready().exists()


def test_rows_that_join_the_filter_are_not_visited() -> None:
    ids = many_jobs(10)
    visited = []

    for page in pages(Job.objects.all(), 10):
        visited += page
        many_jobs(10)

    assert visited == sorted(ids)


def test_a_row_that_a_join_finds_twice_is_visited_once() -> None:
    job = JobFactory()
    JobTag.objects.bulk_create([JobTag(job=job, name=name) for name in ("a", "b")])

    found = pages(Job.objects.filter(tags__name__in=["a", "b"]).distinct())

    assert list(found) == [[job.pk]]


def test_a_slice_a_union_and_plain_ids_are_walked_as_they_are() -> None:
    one, two, three = (JobFactory(queue=name).pk for name in ("a", "b", "c"))

    assert list(pages(Job.objects.order_by("-pk")[:2])) == [[two, three]]
    # SQLite takes no order inside a union.
    rows = Job.objects.order_by()
    both = rows.filter(queue="a").union(rows.filter(queue="c"))
    assert list(pages(both)) == [[one, three]]
    assert list(pages([three, one, three])) == [[one, three]]
    assert list(pages(Job.objects.none())) == []


def test_the_first_rows_of_several_parts_are_the_first_of_all() -> None:
    now = timezone.now()
    for number in range(30):
        state = JobState.values[number % len(JobState.values)]
        JobFactory(state=state, enqueued_at=now - dt.timedelta(seconds=number // 3))
    order = ("-enqueued_at", "-id")

    found = first_of(Job.objects.by_state(), order, 12)

    assert found == list(Job.objects.order_by(*order)[:12])


def test_a_single_part_is_in_the_order_of_the_database() -> None:
    many_jobs(5)

    assert first_of([Job.objects.all()], ("definition", "id"), 3) == list(
        Job.objects.order_by("definition", "id")[:3]
    )


def test_the_parts_of_a_filter_hold_each_of_its_jobs_once() -> None:
    for state in JobState.values:
        JobFactory(state=state, queue="ai")
        JobFactory(state=state)

    parts = Job.objects.on_queues(["ai"]).by_state()

    assert [list(part.values_list("state", flat=True)) for part in parts] == [
        [state] for state in JobState.values
    ]
    (ready,) = Job.objects.by_state(JobState.READY)
    assert set(ready) == set(Job.objects.ready())
