"""Every demand of the sources has its row, and what the row refers to exists."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support.markdown import ROOT

PAGE = ROOT / "docs" / "sources.md"
DEMANDS = ROOT.parent / "shared" / "checklist.md"
"""Beside the checkout on the machines where it was written; elsewhere there is none."""

COUNTS = {"S1": 61, "S2": 71, "S3": 72, "S4": 74, "S5": 77}
TRAPS = 25

_ROW = re.compile(r"^\| ([ST]\d+(?:\.\d+)?) \| (.+) \| (.+) \| (.*?)\|$", re.MULTILINE)
ROWS = _ROW.findall(PAGE.read_text())
NUMBERS = [number for number, *_ in ROWS]


def test_each_number_is_there_once_and_in_order() -> None:
    demanded = [f"{source}.{n}" for source, count in COUNTS.items() for n in range(1, count + 1)]
    assert demanded + [f"T{n}" for n in range(1, TRAPS + 1)] == NUMBERS


def test_the_numbers_are_those_of_the_checklist() -> None:
    if not DEMANDS.exists():
        pytest.skip("the checklist is not beside this checkout")
    text = DEMANDS.read_text()
    written = set(re.findall(r"\b(S\d\.\d+)\b", text)) | set(re.findall(r"^- (T\d+)\.", text, re.M))
    assert written <= set(NUMBERS)


def test_what_the_rows_refer_to_exists() -> None:
    assert not [fault for row in ROWS for fault in faults(*row)]


def faults(number: str, asks: str, where: str, tests: str) -> Iterator[str]:
    for path in re.findall(r"`([\w./-]*[/.](?:py|md|css|example))`", f"{where} {tests}"):
        if not (ROOT / path).is_file():
            yield f"{number}: there is no {path}"
    code = re.findall(r"`([\w./-]+\.(?:py|css))`", where)
    if code and "tests/" not in tests:
        yield f"{number}: no test holds {code}"
    if not tests.strip() and not re.search(r"\*Later\*|as S\d", where):
        yield f"{number}: neither tested nor later"
