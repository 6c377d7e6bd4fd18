"""The end of an attempt as a line of JSON, and back."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import fields

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from jobs.ledger import ledger
from jobs.ledger.moments import microseconds, moment
from jobs.ledger.outcome import Failure, LogLine, Outcome
from jobs.ledger.postgresql import PostgresLedger
from jobs.ledger.records import Put, outcome_of, record_of
from jobs.ledger.sqlite import SqliteLedger
from jobs.models.states import AttemptOutcome, FailureReason, JobState
from tests.jobs.claims import claimed_job, end_of

PLACES = {
    "postgresql": PostgresLedger(connection)._put,
    "sqlite": SqliteLedger(connection)._put,
}
TIMES = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC))
MOMENTS = TIMES.map(microseconds)
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
    logs = [LogLine(*line) for line in draw(st.lists(st.tuples(TIMES, TEXTS, TEXTS), max_size=2))]
    times = {"started": draw(MOMENTS), "finished": draw(MOMENTS), "logs": logs}
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
        **{name: draw(st.booleans()) for name in ("is_exception", "is_crash", "refund", "gated")},
        has_callback=draw(st.booleans()),
    )


@pytest.mark.parametrize("put", PLACES.values(), ids=PLACES)
@given(outcome=outcomes())
def test_what_a_record_says_is_the_outcome_that_it_was_made_of(put: Put, outcome: Outcome) -> None:
    text = record_of(outcome, put)
    assert "\n" not in text
    found = outcome_of(json.loads(text), outcome.job, text)
    assert found.record == text
    for field in fields(Outcome):
        if field.name not in ("record", "error"):
            assert getattr(found, field.name) == getattr(outcome, field.name), field.name


@pytest.mark.parametrize("put", PLACES.values(), ids=PLACES)
@given(started=MOMENTS, finished=MOMENTS, fence=st.integers(1, 2**31 - 1))
def test_the_short_way_of_a_plain_success_says_what_the_long_one_would(
    put: Put, started: int, finished: int, fence: int
) -> None:
    job, times = claimed_job(fence=fence), {"started": started, "finished": finished}
    short = json.loads(record_of(end_of(job, **times), put))
    long = json.loads(record_of(end_of(job, result=0, **times), put))
    assert long.pop("result") == 0
    assert short == long


def test_text_that_no_database_takes_is_escaped_and_cut_to_its_column() -> None:
    outcome = end_of(claimed_job(), "failed", message="a\x00b\ud800c", exception_class="x" * 300)
    found = json.loads(ledger().record(outcome))
    assert found["message"] == "a\\x00b\\ud800c"
    assert found["exception_class"] == "x" * 200


def test_a_record_is_made_once() -> None:
    outcome = end_of(claimed_job())
    text = ledger().record(outcome)
    outcome.outcome = "failed"
    assert ledger().record(outcome) is text


@given(microseconds_=MOMENTS)
def test_a_moment_is_the_same_as_a_number(microseconds_: int) -> None:
    assert microseconds(moment(microseconds_)) == microseconds_


@pytest.mark.postgresql
@pytest.mark.django_db
@given(numbers=st.lists(MOMENTS, min_size=1))
def test_postgresql_takes_a_moment_to_the_microsecond(numbers: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_timestamp(number::float8 / 1e6::float8) FROM unnest(%s::bigint[]) AS number",
            [numbers],
        )
        assert [at for (at,) in cursor.fetchall()] == [moment(number) for number in numbers]
