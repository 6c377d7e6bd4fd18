"""Scrubbing: a value is found however it is written, and nothing else is touched."""

from __future__ import annotations

import base64
import html
import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.execution.description import LONGEST_MESSAGE, describe
from jobs.privacy.masking import MASK
from jobs.privacy.scrubbing import Scrubber
from tests.jobs.privacy.secret_jobs import Declined

FRAME = "\u2603"
# No asterisk: the mask is made of them.
letters = st.characters(exclude_characters=f"\x00*{FRAME}", exclude_categories=["Cs"])
secret_texts = st.text(letters, min_size=4).filter(lambda text: text.strip())

WRITTEN = {
    "as it is": lambda text: text,
    "repr": repr,
    "repr in a list": lambda text: repr([text]),
    "repr of a repr": lambda text: repr(repr(text)),
    "ascii": ascii,
    "JSON": json.dumps,
    "JSON in Unicode": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "in a URL": lambda text: quote(text),
    "in a query": lambda text: quote(text, safe=""),
    "in a form": quote_plus,
    "in HTML": html.escape,
    "as bytes": lambda text: repr(text.encode()),
    "in Base64": lambda text: base64.b64encode(text.encode()).decode(),
}


@pytest.mark.parametrize("way", WRITTEN)
@given(secret=secret_texts)
def test_a_text_is_found_however_it_is_written(way: str, secret: str) -> None:
    written = WRITTEN[way](secret)
    scrubbed = Scrubber(secret).text(f"{FRAME}{written}{FRAME}")
    assert MASK in scrubbed
    # What is left of the written form is its quotes.
    assert set(scrubbed.replace(MASK, "")) <= {*"'\"\\[]b", FRAME}


@given(st.text(letters))
def test_a_text_without_the_value_stays_as_it_is(text: str) -> None:
    secret = "never in there: \u2603"
    assert Scrubber(secret).text(text) == text


@pytest.mark.parametrize(
    ("value", "text", "scrubbed"),
    [
        ("abc", "abc", "abc"),
        ("abcd", "xabcdx", f"x{MASK}x"),
        ({"a": ["deep value"]}, "a deep value", f"a {MASK}"),
        (4111222, "card 4111222", f"card {MASK}"),
        (2026, "in 2026", "in 2026"),
        (True, "True", "True"),
        (None, "None", "None"),
        ("-----BEGIN-----\nfirst line of it\n", "|   first line of it", f"|   {MASK}"),
        ({"$model": "auth.group", "pk": "0192f3c4"}, "auth.group 0192f3c4", f"auth.group {MASK}"),
        (["long", "long one"], "long one", MASK),
    ],
)
def test_texts_from_four_characters_and_numbers_from_six_digits_are_looked_for(
    value: Any, text: str, scrubbed: str
) -> None:
    assert Scrubber(value).text(text) == scrubbed


def test_results_are_scrubbed_in_depth() -> None:
    scrub = Scrubber("secret", 123456)
    value = {"my secret": ["a secret", 123456, 1234567, True, None, {"x": "fine"}]}
    assert scrub.json(value) == {
        f"my {MASK}": [f"a {MASK}", MASK, 1234567, True, None, {"x": "fine"}]
    }


def test_nothing_is_cut_in_the_middle_of_a_value() -> None:
    secret = "abcdefghijkl"
    error = ValueError("x" * (LONGEST_MESSAGE - 6) + secret)
    assert "abcd" not in describe(error, Scrubber(secret)).message


class _Wants(Exception):
    def __init__(self, code: int, text: str) -> None:
        self.text = text
        super().__init__(code)

    def __str__(self) -> str:
        return f"it was {self.text}"


@pytest.mark.parametrize(
    "error",
    [
        Declined("no secret-word", "secret-word"),
        _Wants(3, "secret-word"),
        ExceptionGroup("about secret-word", [KeyError("secret-word")]),
        SystemExit("secret-word"),
    ],
)
def test_a_stand_in_has_the_class_where_it_can_and_never_the_value(error: BaseException) -> None:
    try:
        raise error from KeyError("secret-word")
    except BaseException as raised:
        made = Scrubber("secret-word").stand_in(raised)
    assert made.__traceback__ is made.__cause__ is made.__context__ is None
    assert "secret-word" not in f"{made} {made!r} {vars(made)}"
    assert MASK in str(made)
    if not isinstance(error, _Wants | ExceptionGroup):
        assert type(made) is type(error)
