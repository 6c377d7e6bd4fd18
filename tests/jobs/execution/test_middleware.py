"""What stands around the execution of a job."""

from __future__ import annotations

from typing import Any

import pytest

from jobs import ConcurrencyLimit, RateLimited, Skip, WithoutOverlapping, job
from jobs.exceptions import InvalidDefinition
from jobs.models import Attempt, Job
from jobs.transports.sync import run_due
from tests.jobs.limits import limited_jobs


@pytest.fixture
def ran(transactional_db: None) -> Any:
    limited_jobs.ran.clear()
    return limited_jobs.ran


def test_the_first_is_the_outermost_and_may_change_the_result(ran: list[Any]) -> None:
    limited_jobs.is_wrapped.enqueue("word")
    run_due()
    assert ran == ["outer begins", "inner sees ['word']", "runs", "outer ends"]
    assert Job.objects.get().result == "<word>"


def test_it_stands_around_a_coroutine_too(ran: list[Any]) -> None:
    limited_jobs.is_wrapped_and_awaited.enqueue("word")
    run_due()
    assert ran == ["outer begins", "runs", "outer ends"]
    assert Job.objects.get().result == "<word>"


def test_a_job_may_be_skipped_and_says_why(ran: list[Any]) -> None:
    limited_jobs.runs_for_even.enqueue_many([1, 2])
    run_due()
    assert ran == [2]
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}
    details = list(Attempt.objects.order_by("job_id").values_list("detail", flat=True))
    assert details == ["skipped: odd", ""]


def test_it_may_release_the_job(ran: list[Any]) -> None:
    limited_jobs.is_released_by_its_middleware.using(max_attempts=2).enqueue()
    run_due()
    assert ran == []
    assert Job.objects.get().state == "scheduled"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: job(middleware=Skip(bool))(print), "must be a list"),
        (lambda: job(middleware=[Skip])(print), "is a class; give an instance"),
        (lambda: job(middleware=["x"])(print), "must be callable, or a gate"),
        (lambda: Skip("when"), "must have a callable"),  # type: ignore[arg-type]
        (lambda: RateLimited("x", "60 a minute"), "must be like 60/m"),
        (lambda: RateLimited("x", "0/m"), "amount 0 must be a whole number of at least 1"),
        (lambda: RateLimited("", "1/m"), "must be text of 1 to 100 characters"),
        (lambda: RateLimited("x", "1/m", kind="leaky"), "must be one of fixed, sliding, bucket"),
        (lambda: RateLimited("x", "1/m", burst=3), "burst belongs to the kind bucket"),
        (lambda: RateLimited("x", "1/m", cost=-1), "cost -1 must be a number from 0 on"),
        (lambda: RateLimited("x", (1, 0)), "must be positive"),
        (lambda: ConcurrencyLimit(amount=0), "amount 0 must be a whole number of at least 1"),
        (lambda: WithoutOverlapping(expire_after=0), "expire_after: 0 must be a positive"),
        (lambda: WithoutOverlapping(shared="x" * 101), "must be text of 1 to 100 characters"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(make: Any, says: str) -> None:
    with pytest.raises(InvalidDefinition, match=says):
        make()


@pytest.mark.parametrize(
    ("rate", "amount", "seconds"),
    [
        ("60/m", 60, 60), ("5/10s", 5, 10), ("1000/day", 1000, 86_400), ("10 / s", 10, 1),
        ("3/2 hours", 3, 7200), ("7/mins", 7, 60), ((4, 30), 4, 30),
    ],
)  # fmt: skip
def test_rates_are_read_as_people_write_them(rate: Any, amount: int, seconds: int) -> None:
    gate = RateLimited("x", rate)
    declared = gate.declared_for(limited_jobs.calls_out)
    assert declared is not None
    assert declared.period is not None
    assert (declared.amount, declared.period.total_seconds()) == (amount, seconds)
