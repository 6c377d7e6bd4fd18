"""System checks find what is wrong with limits before a job does."""

from __future__ import annotations

from typing import Any

import pytest

from jobs import RateLimited, job, registry
from jobs.limits.checks import check_limits
from tests.jobs.limits import limited_jobs


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let these definitions be all that there are."""

    def restrict(*definitions: Any) -> None:
        monkeypatch.setattr(registry, "all", lambda: list(definitions))

    return restrict


def ids() -> list[str | None]:
    return [message.id for message in check_limits()]


def test_a_site_in_order_has_no_findings(only: Any) -> None:
    only(limited_jobs.calls_out, limited_jobs.renders, limited_jobs.asks_service)
    assert ids() == []


@pytest.mark.parametrize(
    "said", ["60 a minute", 0, {"kind": "bucket"}, {"rate": "1/m", "colour": 1}, [1]]
)
def test_a_setting_that_is_not_valid_is_told(only: Any, settings: Any, said: Any) -> None:
    only()
    settings.JOBS_LIMITS = {"calls": said}
    (message,) = check_limits()
    assert message.id == "jobs.E005"
    assert "calls" in message.msg


def test_a_limit_that_nothing_says_the_amount_of_is_told(only: Any, settings: Any) -> None:
    only(limited_jobs.has_no_rate)
    assert ids() == ["jobs.W008"]
    settings.JOBS_LIMITS = {"nobody says how much": "5/m"}
    assert ids() == []


def test_two_amounts_of_one_limit_are_told(only: Any) -> None:
    only(limited_jobs.calls_out, calls_out_more)
    assert ids() == ["jobs.W007"]


@job(middleware=[RateLimited("calls", "3/h", kind="fixed")])
def calls_out_more() -> None: ...
