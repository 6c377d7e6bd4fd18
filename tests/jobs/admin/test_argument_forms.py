"""Forms made from signatures: what is typed becomes arguments that the function accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import Group
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.admin.forms.arguments import ArgumentsForm
from jobs.admin.forms.docstrings import parameter_help
from jobs.arguments import check_payload, decode
from jobs.definitions import JobDefinition
from tests.jobs.admin import form_jobs

EVERYTHING = {
    "count": "3", "ratio": "0.25", "sure": "true", "name": "  Ada \r\n Lovelace",
    "day": "2026-03-29", "moment": "2026-03-29T02:30:15", "mode": '"slow"', "level": '"three"',
    "key": "0190a000-0000-7000-8000-000000000000", "price": "1.10", "numbers": "[1, 2]",
    "table": '{"a": null}', "anything": '"text"', "maybe": "", "either": "5",
}  # fmt: skip


def posted(**values: str) -> dict[str, str]:
    return {f"argument-{name}": value for name, value in values.items()}


def payload_of(definition: JobDefinition, **values: str) -> dict[str, Any]:
    form = ArgumentsForm(definition, posted(**values))
    assert form.is_valid(), form.errors
    return form.payload


def shown(form: ArgumentsForm) -> dict[str, str]:
    """What a browser would send for the form as it is shown."""
    data = {}
    for field in form:
        value = field.value()
        widget = field.field.widget
        text = widget.format_value(value)
        data[field.html_name] = (text[0] if isinstance(text, list) else text) or ""
    return data


@pytest.mark.django_db
def test_each_kind_of_parameter_gives_its_kind_of_json() -> None:
    group = Group.objects.create(name="writers")

    payload = payload_of(form_jobs.everything, **EVERYTHING, group=str(group.pk))

    assert payload["kwargs"] == {
        "count": 3, "ratio": 0.25, "sure": True, "name": "  Ada \n Lovelace", "day": "2026-03-29",
        "moment": "2026-03-29T02:30:15+00:00", "mode": "slow", "level": "three",
        "group": {"$model": "auth.group", "pk": str(group.pk)},
        "key": "0190a000-0000-7000-8000-000000000000", "price": "1.10", "numbers": [1, 2],
        "table": {"a": None}, "anything": "text", "maybe": None, "either": 5,
    }  # fmt: skip
    assert decode(payload)[1]["group"] == group


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("count", "", "required"),
        ("count", "three", "whole number"),
        ("count", "1.5", "whole number"),
        ("ratio", "nan", "number"),
        ("sure", "", "required"),
        ("sure", "maybe", "valid choice"),
        ("name", "", "required"),
        ("day", "30.2.2026", "valid date"),
        ("mode", '"medium"', "valid choice"),
        ("level", "3", "valid choice"),
        ("group", "999", "no group with the primary key"),
        ("group", "x", "no group with the primary key"),
        ("key", "7", "valid UUID"),
        ("numbers", "{}", "must be a list"),
        ("numbers", '["x"]', "is not list[int]"),
        ("table", "[]", "must be an object"),
        ("anything", "text", "not JSON"),
        ("anything", "NaN", "not JSON"),
        ("anything", "[" * 20_000, "not JSON"),
        ("either", "1.5", "is not int | str"),
        ("anything", '"\\u0000"', "NUL"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(name: str, value: str, why: str) -> None:
    group = Group.objects.create(name="writers")

    form = ArgumentsForm(
        form_jobs.everything, posted(**(EVERYTHING | {"group": str(group.pk), name: value}))
    )

    assert not form.is_valid()
    assert list(form.errors) == [name]
    assert why in form.errors[name][0]


def test_a_parameter_left_at_its_default_is_not_stored_and_so_follows_the_code() -> None:
    form = ArgumentsForm(form_jobs.defaults)

    assert payload_of_data(form_jobs.defaults, shown(form)) == {"args": [], "kwargs": {}}


def payload_of_data(definition: JobDefinition, data: dict[str, str]) -> dict[str, Any]:
    form = ArgumentsForm(definition, data)
    assert form.is_valid(), form.errors
    return form.payload


def test_the_form_shows_the_defaults() -> None:
    data = shown(ArgumentsForm(form_jobs.defaults))

    assert data == posted(
        count="3", ratio="0.5", sure="true", name="Ada", mode='"fast"', maybe="", limit="10",
        numbers="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("count", "4", {"count": 4}),
        ("count", "", {}),
        ("sure", "false", {"sure": False}),
        ("name", "", {"name": ""}),
        ("limit", "", {"limit": None}),
        ("maybe", "0", {"maybe": 0}),
        ("numbers", "[]", {"numbers": []}),
        ("numbers", "null", {}),
        ("mode", '"slow"', {"mode": "slow"}),
    ],
)
def test_a_changed_default_is_stored(name: str, value: str, stored: dict[str, Any]) -> None:
    data = shown(ArgumentsForm(form_jobs.defaults)) | posted(**{name: value})

    assert payload_of_data(form_jobs.defaults, data)["kwargs"] == stored


@pytest.mark.parametrize(
    ("values", "payload"),
    [
        ({"first": "1"}, {"args": [1], "kwargs": {}}),
        ({"first": "1", "second": "5"}, {"args": [1, 5], "kwargs": {}}),
        ({"first": "1", "rest": "[7, 8]"}, {"args": [1, 2, 7, 8], "kwargs": {}}),
        (
            {"first": "1", "word": "x", "named": '{"more": 1}'},
            {"args": [1], "kwargs": {"word": "x", "more": 1}},
        ),
    ],
)
def test_positional_only_and_variadic_parameters_are_given_as_they_must_be(
    values: dict[str, str], payload: dict[str, Any]
) -> None:
    data = {"second": "2", "word": "w", "rest": "", "named": ""} | values

    assert payload_of(form_jobs.variadic, **data) == payload


def test_stored_arguments_are_shown_and_come_back_the_same() -> None:
    stored = {"args": [1, 5, 7], "kwargs": {"word": "x", "other": [True]}}

    form = ArgumentsForm(form_jobs.variadic, stored=stored)

    assert payload_of_data(form_jobs.variadic, shown(form)) == stored
    assert form.unfitting == {}


def test_stored_arguments_that_no_longer_fit_are_not_lost_silently() -> None:
    form = ArgumentsForm(form_jobs.nothing, stored={"args": [1], "kwargs": {"old": 2}})

    assert form.unfitting == {"args": [1], "kwargs": {"old": 2}}


def test_what_was_typed_for_another_definition_is_kept_or_carried_along() -> None:
    form = ArgumentsForm(form_jobs.defaults, typed=posted(count="9", day="2026-01-01"))

    assert form["count"].value() == "9"
    assert form["name"].value() == "Ada"
    assert list(form.carried) == [("argument-day", "2026-01-01")]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    stored=st.fixed_dictionaries(
        {},
        optional={
            "count": st.integers(-(2**31), 2**31),
            "ratio": st.floats(allow_nan=False, allow_infinity=False, width=32),
            "sure": st.booleans(),
            "name": TEXT,
            "mode": st.sampled_from(["fast", "slow"]),
            "maybe": st.none() | st.integers(-9, 9),
            "limit": st.none() | st.integers(-9, 9),
            "numbers": st.none() | st.lists(st.integers(-9, 9), max_size=4),
        },
    )
)
def test_typed_arguments_survive_the_form_and_are_accepted(stored: dict[str, Any]) -> None:
    defaults = {
        name: parameter.default
        for name, parameter in form_jobs.defaults.signature.parameters.items()
    }
    form = ArgumentsForm(form_jobs.defaults, stored={"args": [], "kwargs": stored})

    payload = payload_of_data(form_jobs.defaults, shown(form))

    check_payload(form_jobs.defaults, payload)
    # A default need not be stored, so both sides are compared with the defaults filled in.
    assert defaults | payload["kwargs"] == defaults | stored


@settings(max_examples=60, deadline=None)
@given(rest=st.lists(st.integers(-9, 9), max_size=3), word=TEXT, named=st.dictionaries(
    st.text("xyz", min_size=1, max_size=3), JSON, max_size=3))  # fmt: skip
def test_variadic_arguments_survive_the_form(
    rest: list[int], word: str, named: dict[str, Any]
) -> None:
    stored = {"args": [1, 2, *rest], "kwargs": {"word": word, **named}}
    form = ArgumentsForm(form_jobs.variadic, stored=stored)

    payload = payload_of_data(form_jobs.variadic, shown(form))

    signature = form_jobs.variadic.signature
    bound = [signature.bind(*one["args"], **one["kwargs"]) for one in (payload, stored)]
    for one in bound:
        one.apply_defaults()
    assert bound[0].arguments == bound[1].arguments


def test_text_beyond_the_limits_of_json_is_shown_as_json() -> None:
    form = ArgumentsForm(form_jobs.everything, stored={"kwargs": {"table": {"ü": "„“"}}})

    assert json.loads(form["table"].value()) == {"ü": "„“"}
    assert "ü" in form["table"].value()


@pytest.mark.parametrize(
    ("definition", "helps"),
    [
        (
            form_jobs.everything,
            {"count": "How many there are, on two lines.", "ratio": "Between 0 and 1."},
        ),
        (form_jobs.defaults, {"count": "The count.", "name": "Whose it is."}),
        (form_jobs.described, {"alpha": "The first letter.", "beta": "The second."}),
        (
            form_jobs.prose,
            {
                "source": "source is where to look; it must exist. "
                "`limit` is not at a line's start here.",
                "limit": "limit bounds it.",
            },
        ),
        (form_jobs.nothing, {}),
    ],
)  # fmt: skip
def test_help_comes_from_the_docstring(definition: JobDefinition, helps: dict[str, str]) -> None:
    assert parameter_help(definition.func, definition.signature.parameters) == helps


def test_help_on_plain_lines_is_taken_for_the_names_of_parameters_only() -> None:
    from tests.jobs import sample_jobs

    definition = sample_jobs.add
    assert parameter_help(definition.func, definition.signature.parameters) == {
        "a": "the first",
        "b": "the second",
    }


def test_a_type_that_is_only_known_to_checkers_gets_json() -> None:
    form = ArgumentsForm(form_jobs.everything)

    assert isinstance(form.fields["anything"].widget, forms.Textarea)
