"""Percentiles from histograms are right to within their error, however the past was cut."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.metrics.histogram import ERROR, GROWTH, Histogram, bucket_of

MICROSECOND = dt.timedelta(microseconds=1)
durations = st.timedeltas(dt.timedelta(0), dt.timedelta(days=3))
many = st.lists(durations, min_size=1, max_size=200)
parts = st.sampled_from([0.0, 0.01, 0.5, 0.95, 0.99, 1.0])


def exact(values: Sequence[dt.timedelta], part: float) -> dt.timedelta:
    """By the nearest rank."""
    return sorted(values)[max(math.ceil(part * len(values)), 1) - 1]


@given(many, parts)
def test_a_quantile_is_that_of_the_durations_to_within_the_error(
    values: list[dt.timedelta], part: float
) -> None:
    found = Histogram.of(values).quantile(part)
    assert found is not None
    assert abs(found - exact(values, part)) <= ERROR * exact(values, part) + MICROSECOND


@given(st.lists(many, min_size=1, max_size=5))
def test_histograms_added_up_are_the_histogram_of_all(cut: list[list[dt.timedelta]]) -> None:
    whole = Histogram.of(value for values in cut for value in values)
    added = Histogram()
    for values in cut:
        added.add(Histogram.of(values))
    assert added == whole
    assert added.count == sum(len(values) for values in cut)


@given(many)
def test_it_is_stored_as_json_and_read_back_as_it_was(values: list[dt.timedelta]) -> None:
    histogram = Histogram.of(values)
    assert Histogram.from_json(json.loads(json.dumps(histogram.as_json()))) == histogram


@given(st.integers(2, 10**12))
def test_a_bucket_holds_what_is_between_its_bounds(microseconds: int) -> None:
    bucket = bucket_of(microseconds)
    hair = 1 + 1e-9
    assert GROWTH ** (bucket - 1) <= microseconds * hair
    assert microseconds <= GROWTH**bucket * hair


def test_an_empty_histogram_has_no_quantiles() -> None:
    assert Histogram().p50 is None
    assert Histogram().count == 0
    assert Histogram().buckets() == []


@pytest.mark.parametrize("microseconds", [-5, 0, 1])
def test_what_takes_no_time_is_in_the_first_bucket(microseconds: int) -> None:
    histogram = Histogram.of([dt.timedelta(microseconds=microseconds)])
    assert histogram.p99 == dt.timedelta(0)
