"""Moments and durations as people type them."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentTypeError

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from jobs.management import output
from jobs.management.moments import duration, future, past


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from("smhdw")), min_size=1, max_size=5))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

    read = duration("".join(f"{number}{unit}" for number, unit in parts))

    assert read.total_seconds() == sum(number * seconds[unit] for number, unit in parts)


@given(st.text(max_size=12))
def test_whatever_is_typed_is_read_or_refused_by_name(text: str) -> None:
    for read in (duration, past, future):
        told = ""
        try:
            read(text)
        except ArgumentTypeError as error:
            told = str(error)
        assert not told or repr(text) in told


def test_a_date_without_a_zone_is_of_the_zone_of_the_site() -> None:
    with timezone.override("Pacific/Auckland"):
        read = past("2026-01-02")

    assert read.astimezone(dt.UTC) == dt.datetime(2026, 1, 1, 11, tzinfo=dt.UTC)
    assert past("2026-01-02T10:00+02:00").astimezone(dt.UTC).hour == 8


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.12, "120 ms"),
        (4.2, "4.2 s"),
        (200, "3 min 20 s"),
        (7200, "2 h"),
        (187_200, "2 d 4 h"),
        (-5, "-5.0 s"),
    ],
)
def test_a_duration_is_told_in_two_units_at_most(seconds: float, text: str) -> None:
    assert output.duration(dt.timedelta(seconds=seconds)) == text


def test_a_long_cell_loses_its_middle_and_stays_on_one_line() -> None:
    told = output.table(("a", "b"), [("x\ny" * 100, 5), ("short", 17)])

    assert max(len(line) for line in told.splitlines()) < 70
    assert len(told.splitlines()) == 3
    assert "…" in told


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        output.as_json({"a": object()})
