"""Job definitions with limits, for their tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobs import (
    ConcurrencyLimit,
    RateLimited,
    Skip,
    ThrottlesExceptions,
    WithoutOverlapping,
    current_job,
    job,
)
from jobs.execution.context import CurrentJob

ran: list[Any] = []
"""What ran in this process."""


@job(middleware=[RateLimited("calls", "2/h", kind="fixed")])
def calls_out(number: int) -> int:
    ran.append(number)
    return number


@job(middleware=[RateLimited("per customer", "1/h", by=lambda customer, number: customer)])
def for_customer(customer: str, number: int) -> None:
    ran.append((customer, number))


@job(middleware=[RateLimited("tokens", "100/h", kind="bucket", cost=0)])
def uses_tokens(count: int) -> None:
    running = current_job()
    assert running is not None
    running.spend("tokens", count)
    ran.append(count)


@job(middleware=[WithoutOverlapping(lambda order, what: order, shared="orders")])
def changes_order(order: int, what: str) -> None:
    ran.append((order, what))


@job(middleware=[WithoutOverlapping(lambda order: order, shared="orders")])
def ships_order(order: int) -> None:
    ran.append((order, "shipped"))


@job(middleware=[ConcurrencyLimit(amount=2, name="gpu")], max_attempts=2, backoff=0)
def renders(number: int, fails: bool = False) -> None:
    if fails:
        raise ValueError("no")
    ran.append(number)


@job(middleware=[ConcurrencyLimit(amount=1, name="short hold", expire_after=0.05)])
def holds_shortly(number: int) -> None:
    ran.append(number)


@job(middleware=[RateLimited("nobody says how much")])
def has_no_rate() -> None:
    ran.append("ran")


@job(middleware=[WithoutOverlapping(lambda number: [number])])
def has_a_bad_key(number: int) -> None:
    ran.append(number)


def outer(job: CurrentJob, proceed: Callable[[], Any]) -> Any:
    ran.append("outer begins")
    value = proceed()
    ran.append("outer ends")
    return f"<{value}>"


class Inner:
    """Middleware as a class."""

    def __call__(self, job: CurrentJob, proceed: Callable[[], Any]) -> Any:
        ran.append(f"inner sees {job.call[0]}")
        return proceed()


@job(middleware=[outer, Inner()])
def is_wrapped(word: str) -> str:
    ran.append("runs")
    return word


@job(middleware=[outer])
async def is_wrapped_and_awaited(word: str) -> str:
    ran.append("runs")
    return word


@job(middleware=[Skip(lambda number: "odd" if number % 2 else None)])
def runs_for_even(number: int) -> int:
    ran.append(number)
    return number


@job(middleware=[lambda job, proceed: job.release(30)])
def is_released_by_its_middleware() -> None:
    ran.append("ran")


@job
def finds_the_service_down() -> None:
    running = current_job()
    assert running is not None
    running.snooze_queue(60, "the service is down")
    ran.append("snoozed")


class ServiceDown(Exception):
    """What the breaker counts."""


@job(
    middleware=[ThrottlesExceptions("service", 2, 60, when=ServiceDown)],
    max_attempts=10,
    backoff=0,
)
def asks_service(number: int) -> None:
    ran.append(number)
    if is_down:
        raise ServiceDown("503")


@job(
    middleware=[
        ThrottlesExceptions(
            "snoozing", 2, 60, when=ServiceDown, snooze_queue=True, snooze_tag="service"
        )
    ],
)
def snoozes_others(number: int) -> None:
    asks_service.func(number)


is_down: list[bool] = []
"""Not empty while the service is."""


@job(middleware=[ThrottlesExceptions("service", 2, 60, when=ServiceDown)])
def fails_otherwise() -> None:
    ran.append("otherwise")
    raise ValueError("of its own")
