"""How large a run is, in which order runs come, and what the options ask for."""

from __future__ import annotations

import pytest

from tests.bench import systems
from tests.bench.contract import LONG_MEASURES, MEASURES, OWN_MEASURES
from tests.bench.options import parser, plan_of
from tests.bench.plan import FULL, QUICK, turns
from tests.bench.results import figures_of
from tests.bench.targets import SOAK_TARGETS, TARGETS


def test_the_systems_take_turns_within_each_round() -> None:
    assert turns({"ours": 2, "theirs": 2}, ["drain"]) == [
        (1, "drain", "ours"),
        (1, "drain", "theirs"),
        (2, "drain", "ours"),
        (2, "drain", "theirs"),
    ]


def test_a_system_that_no_target_names_sits_out_the_later_rounds() -> None:
    assert turns({"ours": 2, "theirs": 1}, ["drain"])[-1] == (2, "drain", "ours")
    assert len(turns({"ours": 2, "theirs": 1}, ["drain"])) == 3


def test_what_takes_minutes_is_measured_in_the_first_round_alone() -> None:
    assert turns({"ours": 3}, ["drain_aged"]) == [(1, "drain_aged", "ours")]


def test_memory_needs_no_run_of_its_own_beside_the_pickup_which_measures_it() -> None:
    assert turns({"ours": 1}, ["pickup", "pss"]) == [(1, "pickup", "ours")]
    assert turns({"ours": 1}, ["pss"]) == [(1, "pss", "ours")]
    assert set(figures_of("pss")) <= set(figures_of("pickup"))


def test_a_slow_system_is_given_fewer_jobs_and_a_quick_one_all() -> None:
    assert FULL.size("drain", pace=40_000).jobs == 40_000
    assert FULL.size("drain", pace=100).jobs == 100 * FULL.drain_seconds
    assert QUICK.size("drain", pace=1).jobs == 200


def test_a_system_that_a_target_is_held_against_drains_all_jobs_however_slow_it_is() -> None:
    assert FULL.size("drain", pace=100, whole=True).jobs == 40_000


@pytest.mark.parametrize("plan", [FULL, QUICK])
@pytest.mark.parametrize("measure", [*MEASURES, *OWN_MEASURES, *LONG_MEASURES])
def test_every_measure_has_a_size_and_a_time_limit(plan: object, measure: str) -> None:
    assert plan in (FULL, QUICK)
    size = (FULL if plan is FULL else QUICK).size(measure, pace=1_000)

    assert size.jobs > 0
    assert size.deadline > size.seconds


def test_every_figure_of_a_target_is_measured_by_default() -> None:
    by_default = {name for one in (*MEASURES, *OWN_MEASURES) for name in figures_of(one)}

    assert {target.measure for target in TARGETS} <= by_default
    assert {target.beside or target.measure for target in TARGETS} <= by_default
    assert not {target.measure for target in SOAK_TARGETS} & by_default
    assert {peer for target in TARGETS for peer in target.peers} <= set(systems.MODULES)


def test_the_length_and_the_load_of_a_soak_can_be_chosen() -> None:
    given = parser("").parse_args(["--soak-minutes=0.5", "--soak-rate=200"])

    size = plan_of(given).size("soak", pace=1)

    assert (size.seconds, size.rate, size.jobs) == (30, 200, 6_000)


@pytest.mark.parametrize(
    ("option", "rule"),
    [
        ("--systems=celery,sellery", "'sellery' is none of jobsite, "),
        ("--measures=drain,speed", "'speed' is none of drain, "),
        ("--rounds=0", "'0' is no whole number above 0"),
        ("--soak-minutes=inf", "'inf' is no number above 0"),
        ("--soak-rate=1.5", "'1.5' is no whole number above 0"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_its_rule(
    option: str, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser("").parse_args([option])

    assert rule in capsys.readouterr().err
