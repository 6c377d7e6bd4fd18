"""How many jobs a worker claims at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from jobs.cluster import appetite as appetites
from jobs.cluster.appetite import Appetite
from jobs.execution.policy import Policy
from jobs.ledger.outcome import ClaimedJob
from tests.jobs.claims import claimed_job

SHORT, LONG, ONCE = "site.short", "site.long", "site.once"


def policy_of(job: ClaimedJob) -> Policy:
    return Policy(delivery="at_most_once" if job.definition == ONCE else "at_least_once")


def many(count: int, definition: str = SHORT) -> list[ClaimedJob]:
    return [claimed_job(definition) for _ in range(count)]


def learned(seconds: float = 0.0001) -> Appetite:
    appetite = Appetite(policy_of)
    appetite.ran(SHORT, seconds)
    appetite.ran(LONG, 1.0)
    appetite.ran(ONCE, seconds)
    return appetite


def sizes(appetite: Appetite, rounds: int) -> list[int]:
    """What is asked for in so many rounds in which all that is asked for is there."""
    found = []
    for _ in range(rounds):
        found.append(appetite.size())
        appetite.keep(many(appetite.size()))
    return found


def test_one_job_is_claimed_at_first() -> None:
    assert Appetite(policy_of).size() == 1


def test_it_doubles_while_all_that_is_asked_for_is_there() -> None:
    assert sizes(learned(), 6) == [1, 2, 4, 8, 16, 32]


def test_it_stays_within_the_claim_size_of_the_settings(settings: Settings) -> None:
    settings.JOBS_CLAIM_SIZE = 5
    assert sizes(learned(), 6) == [1, 2, 4, 5, 5, 5]
    settings.JOBS_CLAIM_SIZE = 1
    assert sizes(learned(), 3) == [1, 1, 1]


def test_it_asks_for_no_more_than_there_were_when_the_queue_runs_dry() -> None:
    appetite = learned()
    sizes(appetite, 6)
    assert appetite.keep(many(10)) == 10
    assert appetite.size() == 10
    appetite.keep([])
    assert appetite.size() == 1


def test_it_asks_for_no_more_work_than_its_time() -> None:
    """Of jobs that take 10 ms, five fill 50 ms."""
    assert sizes(learned(seconds=0.0099), 5) == [1, 2, 4, 5, 5]


def test_what_is_too_much_work_is_not_kept() -> None:
    appetite = learned()
    sizes(appetite, 5)
    for _ in range(200):
        appetite.ran(SHORT, 0.02)
    assert appetite.keep(many(appetite.size())) == 2
    assert appetite.size() == 2


def test_a_job_of_which_nothing_is_known_is_held_alone() -> None:
    appetite = Appetite(policy_of)
    assert appetite.keep(many(8)) == 1
    assert appetite.size() == 1


@pytest.mark.parametrize(
    "odd",
    [claimed_job(LONG), claimed_job(ONCE), claimed_job("site.new"), claimed_job(SHORT, crashes=1)],
    ids=["long", "at most once", "unknown", "with a crash"],
)
def test_a_job_that_may_keep_others_waiting_is_held_alone(odd: ClaimedJob) -> None:
    assert learned().keep([odd, *many(3)]) == 1
    assert learned().keep([*many(2), odd, *many(3)]) == 2


def test_it_learns_that_a_job_has_become_long_and_that_it_is_short_again() -> None:
    appetite = learned()
    appetite.ran(SHORT, 2.0)
    assert appetite.keep(many(4)) == 1
    for _ in range(60):
        appetite.ran(SHORT, 0.0001)
    assert appetite.keep(many(4)) == 4


@given(st.lists(st.tuples(st.sampled_from([SHORT, LONG, ONCE, "site.new"]), st.booleans())))
def test_some_job_is_kept_of_every_claim_and_never_more_than_the_time_holds(
    facts: Sequence[tuple[str, bool]],
) -> None:
    appetite = learned(seconds=0.004)
    claimed = [claimed_job(name, crashes=int(crashed)) for name, crashed in facts]
    kept = claimed[: appetite.keep(claimed)]
    assert bool(kept) is bool(claimed)
    if len(kept) > 1:
        assert {(job.definition, job.crashes) for job in kept} == {(SHORT, 0)}
        assert len(kept) * 0.004 <= appetites.AT_MOST
    assert 1 <= appetite.size() < math.inf
