"""From the answers of runs to medians, spread, percentiles and ratios."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench import results, table
from tests.bench.summary import percentile, summarize
from tests.bench.targets import Target, standings

samples = st.lists(st.floats(0, 1e6), min_size=1, max_size=300)


@given(samples, st.floats(0, 1))
def test_a_percentile_is_a_sample_with_its_share_at_or_below(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_the_p99_of_two_hundred_samples_leaves_out_the_two_worst() -> None:
    assert percentile([float(number) for number in range(1, 201)], 0.99) == 198


@given(samples)
def test_a_median_lies_within_its_spread(values: list[float]) -> None:
    summary = summarize(values)

    assert summary.min <= summary.median <= summary.max
    assert summary.rounds == len(values)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_beyond_the_samples_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share: "):
        percentile([1.0], share)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        percentile([], 0.5)
    with pytest.raises(ValueError, match="at least one"):
        summarize([])


def collected(*drains: float | str) -> list[results.Row]:
    """The rows of rounds that gave a rate, or failed for a reason."""
    found = results.Results({"cores": 2})
    found.describe("ours", {"title": "Ours", "records": "all", "guarantees": "all"})
    for drain in drains:
        answer = (
            {"reason": drain, "jobs": 5}
            if isinstance(drain, str)
            else {"figures": {"drain": [drain, "jobs/s"]}, "jobs": 5, "versions": {"ours": "1"}}
        )
        found.add("ours", "drain", answer)
    return found.rows()


def test_a_row_has_median_spread_and_what_the_system_promises() -> None:
    (row,) = collected(100.0, 300.0, 200.0)

    assert (row.median, row.min, row.max, row.unit, row.rounds) == (200, 100, 300, "jobs/s", 3)
    assert (row.jobs, row.guarantees, row.versions) == (5, "all", {"ours": "1"})


def test_a_round_that_does_not_count_leaves_its_reason_and_no_figure() -> None:
    (row,) = collected(100.0, "of 5 jobs 1 were lost and 0 ran more than once")

    assert (row.median, row.rounds) == (100, 1)
    assert "1 were lost" in row.reason
    assert table.reasons([row]) == [f"ours, drain: {row.reason}"]


def test_a_system_that_cannot_run_here_has_rows_without_figures() -> None:
    found = results.Results({})
    found.add("theirs", "pickup", {"reason": "not installed here: No module named 'theirs'"})

    assert [(row.measure, row.median) for row in found.rows()] == [
        ("pickup_p50_ms", None),
        ("pickup_p99_ms", None),
        ("pss_mb", None),
    ]
    assert any("not installed here" in line for line in table.lines(found.rows()))


def test_results_are_a_list_that_reads_back_as_it_was(tmp_path: Path) -> None:
    rows = collected(100.0, 300.0)
    file = tmp_path / "bench" / "results.json"

    results.write(rows, file)

    assert isinstance(json.loads(file.read_text()), list)
    assert results.read(file) == rows


def row(system: str, measure: str, median: float) -> results.Row:
    return rounds_of(system, measure, {1: median})


def rounds_of(system: str, measure: str, values: dict[int, float]) -> results.Row:
    """The row of a system that took part in these rounds."""
    found = results.Results({})
    for number, value in values.items():
        answer = {"figures": {measure: [value, ""]}, "jobs": 1, "round": number}
        found.add(system, measure, answer)
    (only,) = found.rows()
    return only


@pytest.mark.parametrize(("ours", "reached"), [(999.0, False), (1000.0, True)])
def test_a_target_is_held_against_the_best_of_its_peers(ours: float, reached: bool) -> None:
    target = Target("ours", "drain", 2, ("slow", "quick"))
    rows = [row("ours", "drain", ours), row("slow", "drain", 1), row("quick", "drain", 500)]

    (standing,) = standings(rows, [target])

    assert standing.reached is reached
    assert standing.value == ours / 500


def test_where_less_is_better_the_quickest_peer_is_the_one_to_beat() -> None:
    target = Target("ours", "pickup_p50_ms", 1, ("slow", "quick"), lower_is_better=True)
    rows = [row(name, "pickup_p50_ms", value) for name, value in [("slow", 9), ("quick", 4)]]

    (standing,) = standings([*rows, row("ours", "pickup_p50_ms", 5)], [target])

    assert (standing.value, standing.reached) == (1.25, False)


def test_a_ratio_is_taken_within_each_round_whatever_the_others_were_like() -> None:
    """The second round is a slow one for all, and the variant took part in the first alone."""
    target = Target("ours", "drain", 5, ("theirs", "variant"))
    rows = [
        rounds_of("ours", "drain", {1: 700, 2: 350, 3: 600}),
        rounds_of("theirs", "drain", {1: 100, 2: 50, 3: 100}),
        rounds_of("variant", "drain", {1: 140}),
    ]

    (standing,) = standings(rows, [target])

    assert (standing.value, standing.reached) == (6, True)


def test_a_round_that_did_not_count_for_the_peer_is_left_out() -> None:
    rows = [
        rounds_of("ours", "drain", {1: 10, 2: 30}),
        rounds_of("theirs", "drain", {2: 10}),
    ]

    (standing,) = standings(rows, [Target("ours", "drain", 1, ("theirs",))])

    assert standing.value == 3


@pytest.mark.parametrize("missing", ["ours", "theirs"])
def test_without_a_figure_a_target_is_neither_reached_nor_missed(missing: str) -> None:
    rows = [row(name, "drain", 5) for name in ("ours", "theirs") if name != missing]

    (standing,) = standings(rows, [Target("ours", "drain", 1, ("theirs",))])

    assert standing.reached is None
    assert "not measured" in str(standing)
