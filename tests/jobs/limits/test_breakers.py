"""A circuit breaker holds back what would only fail, and tries with one."""

from __future__ import annotations

from typing import Any

import pytest

from jobs import ThrottlesExceptions
from jobs.exceptions import InvalidDefinition
from jobs.ledger import Ledger
from jobs.models import AuditEntry, Job, LimitKey, LimitSlot, Queue, TagPause
from jobs.transports.sync import run_due
from tests.jobs.limits import limited_jobs


@pytest.fixture
def down(ran: list[Any]) -> Any:
    limited_jobs.is_down.append(True)
    yield limited_jobs.is_down
    limited_jobs.is_down.clear()


def a_minute_passes() -> None:
    for key in LimitKey.objects.all():
        key.counted_from -= 60_000_000
        key.wake_at = None
        key.save()


def attempts() -> list[int]:
    return list(Job.objects.order_by("pk").values_list("attempts", flat=True))


def test_it_opens_after_so_many_exceptions_in_a_row(
    ran: list[Any], down: list[bool], book: Ledger
) -> None:
    limited_jobs.asks_service.enqueue_many([1, 2, 3])
    run_due()
    # The first job is tried twice, as there is no wait between its attempts.
    assert ran == [1, 1]
    assert attempts() == [2, 0, 0]
    assert set(Job.objects.values_list("state", flat=True)) == {"blocked"}
    run_due()
    assert ran == [1, 1]


def test_then_one_is_let_through_to_try_and_only_its_attempt_is_spent(
    ran: list[Any], down: list[bool], book: Ledger
) -> None:
    limited_jobs.asks_service.enqueue_many([1, 2, 3])
    run_due()
    for tries in (1, 2, 3):
        a_minute_passes()
        book.mend_places()
        run_due()
        assert sum(attempts()) == 2 + tries
    assert len(ran) == 5


def test_it_closes_when_that_one_succeeds_and_all_go_on(
    ran: list[Any], down: list[bool], book: Ledger
) -> None:
    limited_jobs.asks_service.enqueue_many([1, 2, 3])
    run_due()
    down.clear()
    a_minute_passes()
    book.mend_places()
    run_due()
    run_due()
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}
    assert sorted(ran[2:]) == [1, 2, 3]
    assert not LimitSlot.objects.exists()


def test_a_success_in_between_begins_the_count_anew(
    ran: list[Any], down: list[bool], book: Ledger
) -> None:
    limited_jobs.asks_service.using(max_attempts=1).enqueue(1)
    run_due()
    down.clear()
    limited_jobs.asks_service.enqueue(2)
    run_due()
    down.append(True)
    limited_jobs.asks_service.using(max_attempts=1).enqueue(3)
    run_due()
    down.clear()
    limited_jobs.asks_service.enqueue(4)
    run_due()
    assert ran == [1, 2, 3, 4]


def test_another_exception_is_no_matter_of_it(ran: list[Any]) -> None:
    for _ in range(3):
        limited_jobs.fails_otherwise.enqueue()
    run_due()
    assert ran == ["otherwise"] * 3


def test_a_job_may_snooze_its_whole_queue_and_says_why(ran: list[Any], book: Ledger) -> None:
    limited_jobs.finds_the_service_down.enqueue()
    limited_jobs.finds_the_service_down.enqueue()
    run_due()
    assert ran == ["snoozed"]
    queue = Queue.objects.get()
    assert (queue.name, queue.paused_reason) == ("default", "the service is down")
    assert queue.paused_until is not None
    assert (queue.paused_until - book.now()).total_seconds() == pytest.approx(60, abs=5)
    assert AuditEntry.objects.get().actor_name.endswith("finds_the_service_down")


def test_an_open_breaker_may_snooze_the_queue_and_a_tag(
    ran: list[Any], down: list[bool], book: Ledger
) -> None:
    limited_jobs.snoozes_others.enqueue(1)
    run_due()
    assert not Queue.objects.exists()
    assert not TagPause.objects.exists()
    limited_jobs.snoozes_others.enqueue(2)
    run_due()
    queue, tag = Queue.objects.get(), TagPause.objects.get()
    assert (queue.name, tag.tag) == ("default", "service")
    says = "The breaker snoozing is open: the last exception was ServiceDown."
    assert (queue.paused_reason, tag.reason) == (says, says)
    for until in (queue.paused_until, tag.paused_until):
        assert until is not None
        assert (until - book.now()).total_seconds() == pytest.approx(60, abs=5)


@pytest.mark.parametrize("tag", ["", "x" * 151])
def test_a_breaker_with_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(InvalidDefinition, match=r"tags: .* must be text of 1 to 150"):
        ThrottlesExceptions("service", snooze_tag=tag)
