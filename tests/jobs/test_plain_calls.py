"""Plain calls: what the short check says yes to, the full one says in the same words."""

from __future__ import annotations

import enum
import inspect
import json
from types import SimpleNamespace
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import arguments, plain_calls
from jobs.exceptions import InvalidArguments
from jobs.plain_calls import PlainCalls
from tests.jobs import sample_jobs
from tests.jobs.admin import form_jobs

EMPTY = inspect.Parameter.empty


class Grade(enum.IntEnum):
    GOOD = 1


class Name(str):
    pass


ANNOTATIONS = [
    EMPTY, int, str, bool, float, None, list, dict, object, UUID, Any, "Unknown", int | None,
    str | None, int | str, list[int], Literal[1, "x"], Literal[True, False], Literal[True],
    int | Literal["x"], Literal[0] | None, Literal[False] | str, Literal[""],
]  # fmt: skip
VALUES = [
    None, True, False, 0, 1, -5, 2**63, 10**5000, 0.0, -1.5, float("nan"), float("inf"), "", "x",
    'é\\" \n\t', "\x00", "\ud800", b"x", Grade.GOOD, Name("x"), [1], {}, object(),
]  # fmt: skip

annotations = st.sampled_from(ANNOTATIONS)
values = st.one_of(
    st.sampled_from(VALUES), st.none(), st.booleans(), st.integers(), st.floats(), st.text()
)


@st.composite
def parameters(draw: st.DrawFn) -> list[inspect.Parameter]:
    count = draw(st.integers(0, 3))
    required = draw(st.integers(0, count))
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            annotation=draw(annotations),
            default=EMPTY if index < required else None,
        )
        for index, name in enumerate(["a", "b", "größe"][:count])
    ]


calls = st.one_of(
    st.tuples(st.lists(values, max_size=4).map(tuple), st.just({})),
    st.tuples(
        st.just(()), st.dictionaries(st.sampled_from(["a", "b", "größe", "d", 5, None]), values)
    ),
    st.tuples(st.tuples(values), st.dictionaries(st.sampled_from(["a", "b"]), values)),
)


def definition_with(given: list[inspect.Parameter]) -> Any:
    """As much of a definition as the full check asks for."""

    def function() -> None: ...

    signature = inspect.Signature(given)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return SimpleNamespace(
        path="some.job",
        label="job",
        func=function,
        takes_context=False,
        signature=signature,
        sensitive=(),
    )


def check_agreement(given: list[inspect.Parameter], args: Any, kwargs: Any) -> None:
    written = PlainCalls(given).write(args, kwargs)
    try:
        full = arguments.encode_any(definition_with(given), args, kwargs)
    except InvalidArguments:
        assert written is None
    else:
        assert written in (None, json.dumps(full, separators=(",", ":")))


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
def test_both_checks_agree_on_every_kind_of_value(annotation: Any) -> None:
    parameter = inspect.Parameter(
        "a", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation
    )
    for value in VALUES:
        check_agreement([parameter], (value,), {})
        check_agreement([parameter], (), {"a": value})


@given(parameters(), calls)
def test_both_checks_agree_on_every_kind_of_call(
    given: list[inspect.Parameter], call: tuple[Any, Any]
) -> None:
    check_agreement(given, *call)


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((1,), {}, '{"args":[1],"kwargs":{}}'),
        ((1, -2), {}, '{"args":[1,-2],"kwargs":{}}'),
        ((), {"b": 1, "a": 2}, '{"args":[],"kwargs":{"b":1,"a":2}}'),
    ],
)
def test_a_call_of_scalars_is_plain(args: Any, kwargs: Any, text: str) -> None:
    plain = plain_calls.plain_calls(sample_jobs.add.func, False)
    assert plain is not None
    assert plain.write(args, kwargs) == text


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((), {"b": 1}),
        ((), {"a": 1, "c": 1}),
        ((), {"a": 1, 5: 1}),
        ((1, 2, 3), {}),
        ((1,), {"b": 1}),
        (("1",), {}),
        ((), {"a": True}),
    ],
)
def test_any_other_call_is_left_to_the_full_check(args: Any, kwargs: Any) -> None:
    plain = plain_calls.plain_calls(sample_jobs.add.func, False)
    assert plain is not None
    assert plain.write(args, kwargs) is None


@pytest.mark.parametrize(
    "value", [None, True, 1.5, "text", "Ünïcode 🙂", 'quotes " and \\ and \n', -(2**62)]
)
def test_every_scalar_is_plain_where_the_type_is_open(value: object) -> None:
    plain = plain_calls.plain_calls(sample_jobs.returns.func, False)
    assert plain is not None
    written = plain.write((value,), {})
    assert written is not None
    assert json.loads(written) == {"args": [value], "kwargs": {}}


def test_a_variadic_signature_has_no_plain_calls() -> None:
    assert plain_calls.plain_calls(form_jobs.variadic.func, False) is None


def test_the_context_is_no_parameter_of_a_plain_call() -> None:
    plain = plain_calls.plain_calls(sample_jobs.with_context.func, True)
    assert plain is not None
    assert plain.write((), {}) == '{"args":[],"kwargs":{}}'
    assert plain.write((1,), {}) is None


def test_an_integer_that_python_does_not_write_is_refused() -> None:
    with pytest.raises(InvalidArguments, match=r"value: <int: Exceeds the limit .* cannot be"):
        arguments.encode(sample_jobs.returns, (10**5000,), {})
