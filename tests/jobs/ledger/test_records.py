"""The end of an attempt as a line of JSON, and back."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import fields

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from jobs.ledger import ledger
from jobs.ledger.outcome import Failure, LogLine, Outcome
from jobs.ledger.records import Moment, outcome_of, record_of
from jobs.ledger.sqlite import SqliteLedger
from jobs.models.states import AttemptOutcome, FailureReason, JobState
from tests.jobs.claims import NOON, claimed_job, end_of

PLACES = {
    "postgresql": lambda moment: moment.isoformat() if moment else None,
    "sqlite": SqliteLedger(connection)._moment,
}
MOMENTS = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC))
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=200)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
OTHERS = [kind for kind in AttemptOutcome if kind != AttemptOutcome.SUCCEEDED]


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    job = claimed_job(fence=draw(st.integers(1, 2**31 - 1)))
    logs = [LogLine(*line) for line in draw(st.lists(st.tuples(MOMENTS, TEXTS, TEXTS), max_size=2))]
    times = {"started_at": draw(MOMENTS), "finished_at": draw(MOMENTS), "logs": logs}
    if draw(st.booleans()):
        return end_of(job, JobState.SUCCEEDED, result=draw(VALUES), **times)
    failures = st.builds(Failure, reason=st.sampled_from(list(FailureReason)), fingerprint=TEXTS)
    return end_of(
        job,
        draw(st.sampled_from(list(JobState))),
        **times,
        outcome=draw(st.sampled_from(OTHERS)),
        delay=draw(st.floats(0, 31_536_000)),
        failure=draw(st.none() | failures),
        **{name: draw(TEXTS) for name in ("detail", "exception_class", "message", "traceback")},
        **{name: draw(st.booleans()) for name in ("is_exception", "is_crash", "refund")},
        has_callback=draw(st.booleans()),
    )


@pytest.mark.parametrize("moment", PLACES.values(), ids=PLACES)
@given(outcome=outcomes())
def test_what_a_record_says_is_the_outcome_that_it_was_made_of(
    moment: Moment, outcome: Outcome
) -> None:
    text = record_of(outcome, moment)
    assert "\n" not in text
    found = outcome_of(json.loads(text), outcome.job, text)
    assert found.record == text
    for field in fields(Outcome):
        if field.name not in ("record", "error"):
            assert getattr(found, field.name) == getattr(outcome, field.name), field.name


@pytest.mark.parametrize("moment", PLACES.values(), ids=PLACES)
@given(started_at=MOMENTS, finished_at=MOMENTS, fence=st.integers(1, 2**31 - 1))
def test_the_short_way_of_a_plain_success_says_what_the_long_one_would(
    moment: Callable[[dt.datetime | None], str | None],
    started_at: dt.datetime,
    finished_at: dt.datetime,
    fence: int,
) -> None:
    job, times = claimed_job(fence=fence), {"started_at": started_at, "finished_at": finished_at}
    short = json.loads(record_of(end_of(job, **times), moment))
    long = json.loads(record_of(end_of(job, result=0, **times), moment))
    assert long.pop("result") == 0
    assert short == long


def test_text_that_no_database_takes_is_escaped_and_cut_to_its_column() -> None:
    outcome = end_of(claimed_job(), "failed", message="a\x00b\ud800c", exception_class="x" * 300)
    found = json.loads(ledger().record(outcome))
    assert found["message"] == "a\\x00b\\ud800c"
    assert found["exception_class"] == "x" * 200


def test_a_record_is_made_once() -> None:
    outcome = end_of(claimed_job(), started_at=NOON)
    text = ledger().record(outcome)
    outcome.outcome = "failed"
    assert ledger().record(outcome) is text
