"""Walking many rows in the order of their ids."""

from __future__ import annotations

import pytest

from jobs.keyset import pages
from jobs.models import Job, JobTag
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
