"""Jobs with limits start when there is room, and wait outside of any worker until then."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from jobs.audit import Actor
from jobs.cancelling import cancel
from jobs.execution import admission, rescue
from jobs.ledger import Ledger, retention
from jobs.ledger.outcome import ClaimedJob
from jobs.limits.known import row_of
from jobs.models import Attempt, FailedJob, Job, Limit, LimitKey, LimitSlot, LimitWait
from jobs.registry import get
from jobs.transports.sync import run_due
from tests.jobs.claims import end_of
from tests.jobs.limits import limited_jobs

HOUR = dt.timedelta(hours=1)


def states() -> list[str]:
    return list(Job.objects.order_by("pk").values_list("state", flat=True))


def claim(book: Ledger) -> ClaimedJob:
    (job,) = book.claim(worker_id=7, queues=["default"], limit=1)
    return job


def admitted(book: Ledger, job: ClaimedJob) -> bool:
    return book.admit(job, admission.wants(get(job.definition), job))


def an_hour_passes(limit: str, hours: int = 1) -> None:
    """What was counted is as old as if it had."""
    for key in LimitKey.objects.filter(limit=limit):
        key.counted_from -= hours * 3_600_000_000
        if key.wake_at is not None:
            key.wake_at -= hours * HOUR
        key.save()


def test_as_many_start_as_the_rate_says_and_the_rest_when_there_is_room(
    ran: list[Any], book: Ledger
) -> None:
    limited_jobs.calls_out.enqueue_many([1, 2, 3, 4, 5])
    run_due()
    assert ran == [1, 2]
    assert states() == ["succeeded"] * 2 + ["blocked"] * 3
    # Who waits is not tried again and again.
    run_due()
    assert Job.objects.filter(state="blocked", attempts=0, fence=1).count() == 3
    assert Attempt.objects.count() == 2
    an_hour_passes("calls")
    run_due()
    assert ran == [1, 2, 3, 4]
    an_hour_passes("calls")
    run_due()
    assert ran == [1, 2, 3, 4, 5]
    assert not LimitWait.objects.exists()


def test_each_key_has_its_own_count(ran: list[Any]) -> None:
    for number, customer in enumerate("aabbc"):
        limited_jobs.for_customer.enqueue(customer, number)
    run_due()
    assert ran == [("a", 0), ("b", 2), ("c", 4)]
    assert LimitWait.objects.count() == 2


def test_a_newcomer_does_not_pass_those_who_wait(ran: list[Any]) -> None:
    limited_jobs.calls_out.enqueue_many([1, 2, 3, 4])
    run_due()
    an_hour_passes("calls")
    # It is claimed first, and there is room for two; but these are kept.
    limited_jobs.calls_out.using(priority=50).enqueue(5)
    run_due()
    assert ran == [1, 2, 3, 4]
    an_hour_passes("calls")
    run_due()
    assert ran == [1, 2, 3, 4, 5]


def test_among_those_who_wait_the_most_urgent_comes_first(ran: list[Any]) -> None:
    for number in range(3):
        limited_jobs.for_customer.enqueue("a", number)
    limited_jobs.for_customer.using(priority=-50).enqueue("a", 3)
    run_due()
    Job.objects.filter(arguments__args=["a", 2]).update(claim_rank=0)
    LimitWait.objects.filter(job__arguments__args=["a", 2]).update(claim_rank=0)
    for _ in range(3):
        # Of a sliding window the hour before counts too.
        an_hour_passes("per customer", 2)
        run_due()
    assert [number for _, number in ran] == [0, 2, 1, 3]


def test_what_a_job_tells_that_it_has_used_is_counted(ran: list[Any]) -> None:
    limited_jobs.uses_tokens.enqueue_many([60, 70, 5])
    run_due()
    # The second began while something was left, and used more than that.
    assert ran == [60, 70]
    key = LimitKey.objects.get()
    assert key.spent == pytest.approx(130, abs=0.1)
    assert key.wake_at is not None
    missing = (key.wake_at - timezone.now()).total_seconds()
    assert missing == pytest.approx(30 * 36, abs=5)
    an_hour_passes("tokens")
    run_due()
    assert ran == [60, 70, 5]


def test_jobs_of_one_key_do_not_overlap_whatever_their_definition(
    ran: list[Any], book: Ledger
) -> None:
    limited_jobs.changes_order.enqueue(1, "price")
    limited_jobs.ships_order.enqueue(1)
    limited_jobs.ships_order.enqueue(2)
    first = claim(book)
    assert admitted(book, first)
    run_due()
    assert ran == [(2, "shipped")]
    assert states() == ["running", "blocked", "succeeded"]
    assert LimitSlot.objects.get().job_id == first.id
    book.complete([end_of(first, gated=True)])
    assert states() == ["succeeded", "ready", "succeeded"]
    run_due()
    assert ran == [(2, "shipped"), (1, "shipped")]
    assert not LimitSlot.objects.exists()
    assert not LimitWait.objects.exists()


def test_asking_twice_takes_one_place(ran: list[Any], book: Ledger) -> None:
    """The answer to the first may have been lost."""
    limited_jobs.renders.enqueue_many([1, 2])
    first = claim(book)
    assert admitted(book, first)
    assert admitted(book, first)
    assert LimitSlot.objects.count() == 1
    assert admitted(book, claim(book))


def test_a_place_is_freed_however_the_attempt_ends(ran: list[Any], book: Ledger) -> None:
    limited_jobs.renders.enqueue(1, fails=True)
    limited_jobs.renders.enqueue(2)
    limited_jobs.renders.enqueue(3)
    run_due()
    assert ran == [2, 3]
    assert FailedJob.objects.count() == 1
    assert not LimitSlot.objects.exists()


def test_a_place_is_freed_when_its_holder_dies(ran: list[Any], book: Ledger) -> None:
    for number in range(3):
        limited_jobs.renders.enqueue(number)
    for _ in range(2):
        assert admitted(book, claim(book))
    assert not admitted(book, claim(book))
    assert states() == ["running", "running", "blocked"]
    rescue.rescue(book, [7], detail="signal 9")
    assert not LimitSlot.objects.exists()
    assert states() == ["ready", "ready", "ready"]
    run_due()
    assert sorted(ran) == [0, 1, 2]


def test_a_place_that_expires_counts_no_more_though_its_job_runs(
    ran: list[Any], book: Ledger
) -> None:
    limited_jobs.holds_shortly.enqueue_many([1, 2])
    assert admitted(book, claim(book))
    second = claim(book)
    if not admitted(book, second):
        LimitSlot.objects.update(expires_at=timezone.now() - HOUR)
        LimitKey.objects.update(wake_at=timezone.now() - HOUR)
        assert book.promote() == {"default"}
    run_due()
    assert ran == [2]


def test_what_nobody_has_freed_is_mended(ran: list[Any], book: Ledger) -> None:
    """A worker may die between taking a place and starting the job: then the job is given back."""
    limited_jobs.changes_order.enqueue(1, "a")
    limited_jobs.changes_order.enqueue(1, "b")
    first = claim(book)
    assert admitted(book, first)
    assert not admitted(book, claim(book))
    book.give_back([first])
    assert book.mend_places() == {"default"}
    run_due()
    assert sorted(ran) == [(1, "a"), (1, "b")]


def test_one_who_is_cancelled_while_waiting_is_forgotten(ran: list[Any], book: Ledger) -> None:
    limited_jobs.calls_out.enqueue_many([1, 2, 3, 4])
    run_due()
    third = Job.objects.get(arguments__args=[3])
    assert cancel([third.pk], Actor.of_code("test")).cancelled == 1
    book.mend_places()
    assert LimitWait.objects.count() == 1
    an_hour_passes("calls")
    run_due()
    assert ran == [1, 2, 4]


def test_a_woken_job_that_does_not_come_gives_way_after_a_while(
    ran: list[Any], book: Ledger
) -> None:
    """Its queue may be paused."""
    limited_jobs.renders.enqueue_many([1, 2, 3, 4])
    held = [claim(book), claim(book)]
    for job in held:
        assert admitted(book, job)
    for _ in range(2):
        assert not admitted(book, claim(book))
    book.complete([end_of(held[0], gated=True)])
    woken = LimitWait.objects.get(woken_at__isnull=False)
    Job.objects.filter(pk=woken.pk).update(queue="paused")
    assert book.mend_places() == set()
    LimitWait.objects.filter(pk=woken.pk).update(woken_at=timezone.now() - dt.timedelta(minutes=1))
    assert book.mend_places() == {"default"}


def test_a_limit_follows_the_code_until_an_operator_changes_it(ran: list[Any]) -> None:
    limited_jobs.renders.enqueue(1)
    run_due()
    assert Limit.objects.get().amount == 2
    Limit.objects.update(amount=1, declared={"kind": "concurrency", "amount": 1})
    (gate,) = limited_jobs.renders.middleware
    assert row_of("gpu", gate.declared_for(limited_jobs.renders)).amount == 2
    Limit.objects.update(amount=9, changed_at=timezone.now())
    assert row_of("gpu", gate.declared_for(limited_jobs.renders)).amount == 9


def test_a_limit_that_nothing_says_the_amount_of_fails_the_job(
    ran: list[Any], settings: Any
) -> None:
    limited_jobs.has_no_rate.enqueue()
    run_due()
    assert ran == []
    assert "nothing says how much it allows" in FailedJob.objects.get().message
    settings.JOBS_LIMITS = {"nobody says how much": "5/m"}
    limited_jobs.has_no_rate.enqueue()
    run_due()
    assert ran == ["ran"]


def test_a_key_that_is_none_fails_the_job_and_says_so(ran: list[Any]) -> None:
    limited_jobs.has_a_bad_key.enqueue(7)
    run_due()
    failure = FailedJob.objects.get()
    assert "key [7] must be text or a whole number" in failure.message
    assert ran == []


def test_keys_that_nobody_uses_any_more_are_removed(ran: list[Any]) -> None:
    for customer in "abc":
        limited_jobs.for_customer.enqueue(customer, 1)
    limited_jobs.for_customer.enqueue("c", 2)
    run_due()
    old = timezone.now() - dt.timedelta(days=8)
    LimitKey.objects.filter(key__in="ac").update(made_at=old, counted_from=0)
    assert retention.run_once().limit_keys == 1
    assert set(LimitKey.objects.values_list("key", flat=True)) == {"b", "c"}


def test_a_limit_whose_row_was_removed_is_made_anew(ran: list[Any]) -> None:
    limited_jobs.calls_out.enqueue(1)
    run_due()
    Limit.objects.all().delete()
    limited_jobs.calls_out.enqueue(2)
    run_due()
    assert ran == [1, 2]
    assert Limit.objects.get().amount == 2
