"""The options of `python -m tests.bench`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench import systems
from tests.bench.contract import LONG_MEASURES, MEASURES, OWN_MEASURES
from tests.bench.plan import FULL, QUICK, Plan
from tests.bench.workers import ROOT

FOLDER = ROOT / "build" / "bench"


def parser(description: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.bench", description=description)
    made.add_argument("--systems", type=_names(tuple(systems.MODULES)), default=[])
    made.add_argument(
        "--measures", type=_names((*MEASURES, *OWN_MEASURES, *LONG_MEASURES)), default=[]
    )
    made.add_argument("--rounds", type=_above_zero(int), help="how often each measure is taken")
    made.add_argument("--quick", action="store_true", help="one small round, to try it out")
    made.add_argument("--output", type=Path, default=FOLDER, help="folder of the results")
    made.add_argument("--soak-minutes", type=_above_zero(float), metavar="N")
    made.add_argument("--soak-rate", type=_above_zero(int), metavar="N", help="jobs per second")
    return made


def plan_of(given: argparse.Namespace) -> Plan:
    """The plan that the options ask for."""
    plan = QUICK if given.quick else FULL
    return replace(
        plan,
        soak_minutes=given.soak_minutes or plan.soak_minutes,
        soak_rate=given.soak_rate or plan.soak_rate,
    )


def _names(known: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Reads names with commas between them."""

    def names(text: str) -> list[str]:
        chosen = list(dict.fromkeys(name for name in text.split(",") if name))
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return chosen

    return names


def _above_zero(kind: type[int] | type[float]) -> Callable[[str], Any]:
    def number(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(0)
        if not 0 < value < float("inf"):
            what = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"{text!r} is no {what} above 0")
        return value

    return number
