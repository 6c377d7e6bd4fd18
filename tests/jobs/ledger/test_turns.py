"""A queue that tenants share is served in rounds, whoever has how much waiting."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import chain
from jobs.dispatch import NewJob, insert
from jobs.ledger import Ledger, connect, ledger
from jobs.ledger.order import LEVEL, TURNS, first_rank
from jobs.ledger.outcome import ClaimedJob
from jobs.ledger.turns import NOBODY, ROUND
from jobs.models import (
    FailedJob,
    Job,
    Limit,
    LimitKey,
    LimitWait,
    TagPause,
    TagWait,
    TenantShare,
)
from tests.jobs import tenant_jobs
from tests.jobs.claims import end_of
from tests.jobs.factories import many_jobs

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def fair(settings: Any) -> None:
    settings.JOBS_FAIR_QUEUES = ["shared"]
    settings.JOBS_POOLS = {"default": {"queues": ["default", "shared"]}}


def new(tenant: str = "", **options: Any) -> NewJob:
    payload = {"args": [tenant], "kwargs": {}}
    return NewJob(
        definition=tenant_jobs.export.path,
        arguments=payload,
        tenant=tenant,
        **{"queue": "shared", **options},
    )


def put(*tenants: str, **options: Any) -> list[UUID]:
    """One job for each of these, enqueued together."""
    return insert([new(tenant, **options) for tenant in tenants])


def served(book: Ledger, count: int) -> list[str]:
    """The tenants of the next jobs."""
    claimed = book.claim(worker_id=7, queues=["shared"], limit=count)
    tenants = dict(
        Job.objects.filter(pk__in=[job.id for job in claimed]).values_list("pk", "tenant")
    )
    return [tenants[job.id] for job in claimed]


def test_one_job_starts_within_a_round_of_a_hundred_thousand_of_another_tenant(
    book: Ledger,
) -> None:
    tenant_jobs.export.enqueue_many(["A"] * 100_000)
    served(book, 50)
    tenant_jobs.export.enqueue("B")
    assert Counter(served(book, 2)) == {"A": 1, "B": 1}


def test_two_that_have_much_waiting_take_turns(book: Ledger) -> None:
    put(*["A"] * 6)
    put(*["B"] * 6)
    assert served(book, 6) == ["A", "B"] * 3


def test_what_one_does_not_use_the_others_have(book: Ledger) -> None:
    put(*["A"] * 6, "B")
    assert served(book, 7) == ["A", "B", *["A"] * 5]


def test_a_tenant_that_was_away_has_saved_nothing_up(book: Ledger) -> None:
    put(*["A"] * 30)
    served(book, 20)
    put(*["B"] * 5)
    assert Counter(served(book, 10)) == {"A": 5, "B": 5}


def test_a_tenant_has_as_many_jobs_in_a_round_as_its_weight(book: Ledger) -> None:
    TenantShare.objects.create(tenant="A", weight=3)
    put(*["A"] * 12)
    put(*["B"] * 12)
    for _ in range(3):
        assert Counter(served(book, 4)) == {"A": 3, "B": 1}


def test_the_weight_on_a_queue_comes_before_the_one_on_all(book: Ledger) -> None:
    TenantShare.objects.create(tenant="A", weight=5)
    TenantShare.objects.create(tenant="A", queue="shared", weight=2)
    TenantShare.objects.create(tenant="A", queue="other", weight=7)
    put(*["A"] * 9)
    put(*["B"] * 9)
    assert Counter(served(book, 6)) == {"A": 4, "B": 2}


def test_priority_comes_before_turns(book: Ledger) -> None:
    put("A", "A")
    put("B", priority=10)
    put("A", priority=10)
    assert served(book, 4) == ["B", "A", "A", "A"]


def test_jobs_without_a_tenant_are_one_tenant(book: Ledger) -> None:
    put("", "", "", "")
    put("B", "B")
    assert served(book, 4) == [NOBODY, "B", NOBODY, "B"]


def test_a_queue_that_is_not_shared_is_served_by_age(book: Ledger, settings: Any) -> None:
    settings.JOBS_FAIR_QUEUES = []
    put(*["A"] * 3)
    put("B")
    assert served(book, 4) == ["A", "A", "A", "B"]


def test_tenants_of_two_queues_do_not_know_of_each_other(book: Ledger, settings: Any) -> None:
    settings.JOBS_FAIR_QUEUES = ["shared", "other"]
    put(*["A"] * 9, queue="other")
    put("B", "B")
    put("A", "A")
    assert served(book, 4) == ["B", "A", "B", "A"]


def test_jobs_that_were_scheduled_take_their_turn_when_they_are_due(book: Ledger) -> None:
    put(*["A"] * 10, due_at=timezone.now() + HOUR)
    put(*["B"] * 4)
    served(book, 2)
    Job.objects.filter(tenant="A").update(due_at=timezone.now() - HOUR)
    assert book.promote() == {"shared"}
    assert Counter(served(book, 4)) == {"A": 2, "B": 2}


def test_a_job_that_is_due_at_once_has_a_turn(book: Ledger) -> None:
    put(*["A"] * 5)
    put("B", due_at=timezone.now() - HOUR)
    put("C", delay=dt.timedelta(0))
    assert set(served(book, 3)) == {"A", "B", "C"}


def test_a_retry_takes_its_turn_when_it_is_due(book: Ledger) -> None:
    put(*["A"] * 3)
    for job in book.claim(worker_id=7, queues=["shared"], limit=3):
        delayed = {"outcome": "failed", "delay": 60.0}
        book.complete([end_of(job, "scheduled", **delayed)])
    put("B", "B", "B")
    Job.objects.filter(tenant="A").update(due_at=timezone.now() - HOUR)
    book.promote()
    assert Counter(served(book, 4)) == {"A": 2, "B": 2}


def test_a_job_that_is_given_back_keeps_its_turn(book: Ledger) -> None:
    put(*["A"] * 3)
    (first,) = book.claim(worker_id=7, queues=["shared"], limit=1)
    put("B")
    book.give_back([first])
    (again,) = book.claim(worker_id=7, queues=["shared"], limit=1)
    assert again.id == first.id


def test_a_job_that_was_handed_over_and_given_back_is_the_first(book: Ledger) -> None:
    job = new("B")
    put(*["A"] * 3)
    served(book, 1)
    book.insert_held(job, 7)
    held = next(one for one in book.held_by([7]) if one.id == job.id)
    book.give_back([held])
    assert served(book, 2) == ["B", "A"]


def gives_back(book: Ledger, job: ClaimedJob) -> None:
    book.give_back([job])


def tries_again_at_once(book: Ledger, job: ClaimedJob) -> None:
    book.complete([end_of(job, "ready", outcome="released")])


def hands_over_in_vain(book: Ledger, job: ClaimedJob) -> None:
    late = new("A")
    book.insert_held(late, 7)
    book.give_back([one for one in book.held_by([7]) if one.id == late.id])


def waits_for_a_tag(book: Ledger, job: ClaimedJob) -> None:
    Job.objects.filter(pk=job.id).update(state="blocked")
    TagPause.objects.create(tag="crm", paused_until=timezone.now() - HOUR)
    TagWait.objects.create(job_id=job.id, pause_id="crm", since=timezone.now())
    book.promote()


def waits_for_a_limit(book: Ledger, job: ClaimedJob) -> None:
    limit = Limit.objects.create(name="gpu", kind="concurrency", amount=1)
    key = LimitKey.objects.create(limit=limit, key="")
    Job.objects.filter(pk=job.id).update(state="blocked")
    LimitWait.objects.create(job_id=job.id, limit_key=key, claim_rank=0, since=timezone.now())
    book.wake_keys([key.pk])


@pytest.mark.parametrize(
    "comes_back",
    [gives_back, tries_again_at_once, hands_over_in_vain, waits_for_a_tag, waits_for_a_limit],
)
def test_a_job_that_comes_back_does_not_turn_back_the_time(
    book: Ledger, comes_back: Callable[[Ledger, ClaimedJob], None]
) -> None:
    """Who came then would stand before all those who wait."""
    put(*["A"] * 40)
    (first, *_) = book.claim(worker_id=7, queues=["shared"], limit=20)
    comes_back(book, first)
    assert Job.objects.ready().count() in (20, 21)
    put(*["B"] * 20)
    assert 4 <= Counter(served(book, 11))["B"] <= 6


def test_a_retry_that_is_due_does_not_turn_it_back_either(book: Ledger) -> None:
    put(*["A"] * 40)
    (first, *_) = book.claim(worker_id=7, queues=["shared"], limit=20)
    book.complete([end_of(first, "scheduled", outcome="failed", delay=60.0)])
    Job.objects.filter(state="scheduled").update(due_at=timezone.now() - HOUR)
    book.promote()
    put(*["B"] * 20)
    assert 4 <= Counter(served(book, 11))["B"] <= 6


def test_links_of_a_chain_take_their_turn_when_it_is_theirs(book: Ledger) -> None:
    steps = [tenant_jobs.export.s(tenant) for tenant in ("B", "A", "A", "A")]
    chain(*steps).enqueue()
    tenant_jobs.export.enqueue_many(["C"] * 4)
    (first,) = book.claim(worker_id=7, queues=["shared"], limit=1)
    served(book, 2)
    book.complete([end_of(first)])
    link = Job.objects.get(state="ready", tenant="A")
    assert (
        link.claim_rank == Job.objects.filter(tenant="C", state="ready").earliest("pk").claim_rank
    )


def test_a_failed_job_that_is_retried_is_its_tenants_again(book: Ledger) -> None:
    from jobs.audit import Actor
    from jobs.failures.redrive import retry
    from jobs.transports.sync import run_due

    tenant_jobs.export.enqueue("broken")
    run_due()
    failed = FailedJob.objects.get()
    assert failed.tenant == "broken"
    retry([failed.pk], Actor.of_code("test"))
    assert Job.objects.get(retry_of=failed.job_id).tenant == "broken"


def test_callers_do_not_wait_for_each_other(book: Ledger) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    put("A")
    with closing(connect()) as session, ledger(session).transaction():  # type: ignore[attr-defined]
        ledger(session).insert([new("A")])
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
        put("A")
    ranks = sorted(Job.objects.values_list("claim_rank", flat=True))
    assert [rank - ranks[0] for rank in ranks] == [0, ROUND, ROUND]


class TestMending:
    def test_jobs_that_came_before_the_queue_was_shared_are_let_in_in_their_order(
        self, book: Ledger, settings: Any
    ) -> None:
        settings.JOBS_FAIR_QUEUES = []
        put("A", "A", "A", "", "B")
        settings.JOBS_FAIR_QUEUES = ["shared"]
        put("C", "C")
        assert book.mend_turns() == 5
        assert Counter(served(book, 4)) == {"A": 1, NOBODY: 1, "B": 1, "C": 1}
        assert book.mend_turns() == 0

    def test_until_then_they_come_last_of_their_priority(self, book: Ledger, settings: Any) -> None:
        settings.JOBS_FAIR_QUEUES = []
        put("A", deadline=timezone.now() + HOUR)
        put("A", priority=-1)
        settings.JOBS_FAIR_QUEUES = ["shared"]
        put("B", "B")
        assert served(book, 4) == ["B", "B", "A", "A"]

    def test_jobs_whose_queue_is_not_shared_any_more_stand_by_age_and_deadline(
        self, book: Ledger, settings: Any
    ) -> None:
        put(*["A"] * 3, "")
        (urgent,) = put("A", deadline=timezone.now() + HOUR)
        settings.JOBS_FAIR_QUEUES = []
        (later,) = put("B")
        assert book.mend_turns() == 5
        order = [job.id for job in book.claim(worker_id=7, queues=["shared"], limit=6)]
        assert (order[0], order[-1]) == (urgent, later)
        assert not Job.objects.filter(tenant=NOBODY).exists()
        assert book.mend_turns() == 0

    @pytest.mark.parametrize("count", [3, 1500])
    def test_turns_that_have_become_high_are_moved_back(self, book: Ledger, count: int) -> None:
        high = first_rank(0) + TURNS - 5 * ROUND
        for tenant in ("A", "B"):
            many_jobs(count, queue="shared", tenant=tenant, claim_rank=high + ROUND)
        many_jobs(1, queue="shared", tenant="B", claim_rank=high)
        assert book.mend_turns() == 2 * count + 1
        ranks = Job.objects.values_list("claim_rank", flat=True).order_by("claim_rank")
        assert list(ranks.distinct()) == [first_rank(0), first_rank(0) + ROUND]

    def test_at_the_last_turn_jobs_stand_by_age_and_stay_in_their_priority(
        self, book: Ledger
    ) -> None:
        many_jobs(1, queue="shared", tenant="A", claim_rank=first_rank(0) + TURNS - 2)
        put("A", "A")
        ranks = Job.objects.order_by("pk").values_list("claim_rank", flat=True)
        assert [rank % LEVEL for rank in ranks] == [TURNS - 2, TURNS - 1, TURNS - 1]


Weights = st.dictionaries(st.sampled_from("ABC"), st.integers(1, 9), max_size=3)
Arrivals = st.lists(
    st.tuples(st.sampled_from("ABC"), st.integers(1, 12), st.integers(0, 6)), max_size=12
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(weights=Weights, arrivals=Arrivals)
def test_between_two_that_wait_nobody_is_ahead_by_more_than_a_job_each(
    book: Ledger, weights: dict[str, int], arrivals: list[tuple[str, int, int]]
) -> None:
    """The fairness of start-time fair queueing: over any stretch in which both wait, what they were
    served, each divided by its weight, differs by at most 1 / one weight + 1 / the other."""
    Job.objects.all().delete()
    TenantShare.objects.all().delete()
    TenantShare.objects.bulk_create(
        TenantShare(tenant=name, weight=weight) for name, weight in weights.items()
    )
    waiting: Counter[str] = Counter()
    history: list[tuple[str, frozenset[str]]] = []
    for tenant, count, claims in arrivals:
        put(*[tenant] * count)
        waiting[tenant] += count
        for name in served(book, claims):
            history.append((name, frozenset(waiting)))
            waiting -= Counter([name])
            history.append(("", frozenset(waiting)))
    for one, other in (("A", "B"), ("B", "C"), ("A", "C")):
        for stretch in stretches(history, one, other):
            check(stretch, one, other, weights)


def stretches(
    history: Sequence[tuple[str, frozenset[str]]], one: str, other: str
) -> Iterator[list[str]]:
    """What was served, cut where one of the two did not wait."""
    found: list[str] = []
    for name, waiting in history:
        if {one, other} <= waiting:
            found.append(name)
        elif found:
            yield found
            found = []
    yield found


def check(stretch: Sequence[str], one: str, other: str, weights: dict[str, int]) -> None:
    first, second = weights.get(one, 1), weights.get(other, 1)
    # A hair more, as turns are whole numbers.
    bound = 1 / first + 1 / second + 0.01
    ahead = [0.0]
    for name in stretch:
        step = 1 / first if name == one else -1 / second if name == other else 0
        ahead.append(ahead[-1] + step)
    assert max(ahead) - min(ahead) <= bound, (stretch, one, other, weights)
