"""Arguments: what a call may carry, and the error for what it may not."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from jobs import arguments, dispatch, parameters
from jobs.exceptions import InvalidArguments, InvalidOption
from jobs.models import Job
from tests.jobs import sample_jobs
from tests.jobs.admin import form_jobs

letters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(letters)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(letters), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(values)
def test_json_values_come_back_as_they_were(value: Any) -> None:
    payload = arguments.encode(sample_jobs.returns, (value,), {})
    args, kwargs = arguments.decode(json.loads(json.dumps(payload)))
    assert (args, kwargs) == ([value], {})


def test_tuples_become_lists_and_keys_text() -> None:
    payload = arguments.encode(sample_jobs.returns, ((1, 2),), {})
    assert payload["args"] == [[1, 2]]
    assert arguments.encode(sample_jobs.returns, ({1: 2},), {})["args"] == [{"1": 2}]


@pytest.mark.parametrize("name", ["\x00", "\ud800"])
def test_a_name_that_cannot_be_stored_is_refused_too(name: str) -> None:
    with pytest.raises(InvalidArguments, match=r"kwargs.*lone surrogate"):
        arguments.encode(form_jobs.variadic, (1,), {name: 1})


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        Decimal(1),
        dt.date(2026, 1, 1),
        float("nan"),
        float("inf"),
        b"\xff",
        object(),
        "nul \x00 here",
        "lone \ud800 surrogate",
        {"deep": [object()]},
        Group(name="not saved"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_parameter(value: Any) -> None:
    with pytest.raises(InvalidArguments, match=r"returns: value: .* cannot be stored") as caught:
        arguments.encode(sample_jobs.returns, (), {"value": value})
    assert caught.value.parameter == "value"


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"c": 2}, "got an unexpected keyword argument 'c'"),
        (("1",), {}, "a: '1' is not int"),
        ((True,), {}, "a: True is not int"),
        ((1,), {"b": None}, "b: None is not int"),
        ((1.5,), {}, "a: 1.5 is not int"),
    ],
)
def test_a_call_must_fit_the_signature(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArguments, match=message):
        parameters.check(sample_jobs.add, args, kwargs)


def test_a_literal_is_checked() -> None:
    with pytest.raises(InvalidArguments, match="kind: 'other' is not Literal"):
        parameters.check(sample_jobs.retries_flaky_only, ("other",), {})


def test_the_context_is_not_an_argument() -> None:
    assert arguments.encode(sample_jobs.with_context, (), {}) == {"args": [], "kwargs": {}}


@pytest.mark.parametrize(
    "payload", [[], {"arguments": []}, {"args": "text"}, {"args": 5}, {"kwargs": []}]
)
def test_a_malformed_payload_is_refused(payload: Any) -> None:
    with pytest.raises(InvalidArguments):
        arguments.check_payload(sample_jobs.add, payload)


@pytest.mark.django_db
def test_an_invalid_call_enqueues_nothing() -> None:
    with pytest.raises(InvalidArguments):
        sample_jobs.add.enqueue("one")
    with pytest.raises(InvalidArguments, match="'two' is not int"):
        sample_jobs.add.enqueue_many([{"a": 1}, {"a": "two"}, {"a": 3}])
    assert not Job.objects.exists()


@pytest.mark.django_db
def test_many_calls_are_few_statements(django_assert_num_queries: Any) -> None:
    # PostgreSQL takes them all with one, SQLite a thousand with each.
    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 3):
        job_ids = sample_jobs.add.enqueue_many({"a": n} for n in range(2500))
    assert len(set(job_ids)) == 2500
    assert list(Job.objects.order_by("id").values_list("id", flat=True)) == job_ids


@pytest.mark.django_db
def test_a_call_may_be_a_dict_a_tuple_or_a_value() -> None:
    sample_jobs.add.enqueue_many([{"a": 1, "b": 2}, (3, 4), 5])
    stored = Job.objects.order_by("id").values_list("arguments", flat=True)
    assert list(stored) == [
        {"args": [], "kwargs": {"a": 1, "b": 2}},
        {"args": [3, 4], "kwargs": {}},
        {"args": [5], "kwargs": {}},
    ]


@pytest.mark.django_db
def test_tags_come_from_the_arguments() -> None:
    sample_jobs.tagged.enqueue(event_id=7)
    job = Job.objects.get()
    assert (job.queue, job.priority) == ("webhooks", 20)
    assert sorted(job.tags.values_list("name", flat=True)) == ["webhook", "webhook:7"]


@pytest.mark.django_db
def test_a_function_that_no_worker_can_import_is_refused() -> None:
    from jobs import job

    hidden = job(_hidden)
    with pytest.raises(InvalidOption, match="a worker cannot import it"):
        hidden.enqueue()


def _make_hidden() -> Any:
    def function() -> None: ...

    function.__qualname__ = "somewhere_else"
    return function


_hidden = _make_hidden()


@pytest.mark.django_db
def test_tags_see_model_instances_also_where_the_call_was_stored() -> None:
    group = Group.objects.create(name="writers")
    stored = {"args": [], "kwargs": {"group": {"$model": "auth.group", "pk": str(group.pk)}}}
    dispatch.insert([dispatch.new_job_from(sample_jobs.tagged_by_name.path, stored)])
    assert Job.objects.get().tags.get().name == "group:writers"
    group.delete()
    with pytest.raises(InvalidArguments, match="no longer exists"):
        dispatch.new_job_from(sample_jobs.tagged_by_name.path, stored)


@pytest.mark.django_db
def test_a_tags_callable_that_raises_is_named() -> None:
    with pytest.raises(InvalidArguments, match=r"the callable for the tags raised KeyError"):
        sample_jobs.tagged_badly.enqueue()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1,), {}), ((1, 2), {}), ((), {"a": 1}), ((1,), {"b": 2})]
)
def test_a_fitting_call_passes_by_position_and_by_name(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    assert arguments.encode(sample_jobs.add, args, kwargs) == {"args": list(args), "kwargs": kwargs}
