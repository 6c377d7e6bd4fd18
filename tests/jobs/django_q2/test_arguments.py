"""Which arguments of old calls are stored, which are refused, and how that is said."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django_q.tasks import async_task, result
from hypothesis import given
from hypothesis import strategies as st

from jobs.django_q2 import arguments
from jobs.exceptions import InvalidArguments
from jobs.models import Job
from tests.jobs.django_q2.conftest import OLD, failure_of, job_of, row_of

DAY = dt.date(2026, 11, 23)


@pytest.mark.parametrize(
    ("args", "kwargs", "place", "rule"),
    [
        ((DAY,), {}, "args[0]", "JSON cannot hold a datetime.date"),
        ((1, {2, 3}), {}, "args[1]", "JSON cannot hold a builtins.set"),
        ((), {"price": Decimal("1.5")}, "price", "JSON cannot hold a decimal.Decimal"),
        (([1, {"when": DAY}],), {}, "args[0][1]['when']", "JSON cannot hold a datetime.date"),
        (({1: "one"},), {}, "args[0], key 1", "JSON's keys are text"),
        ((b"raw",), {}, "args[0]", "JSON cannot hold a builtins.bytes"),
        ((float("nan"),), {}, "args[0]", "JSON has no such number"),
        (("a\x00b",), {}, "args[0]", "NUL character"),
        (("\ud800",), {}, "args[0]", "lone surrogate"),
        ((), {"group_row": Group(name="x")}, "group_row", "not saved, so it has no key"),
    ],
)
def test_what_json_cannot_hold_is_refused_by_name_value_and_rule(
    transactional_db: None, args: Any, kwargs: Any, place: str, rule: str
) -> None:
    with pytest.raises(InvalidArguments) as refusal:
        async_task(f"{OLD}.note", *args, **kwargs)

    assert refusal.value.parameter == place
    assert rule in refusal.value.rule
    assert "JOBS_DJANGO_Q2_PICKLE" in str(refusal.value)
    assert not Job.objects.exists()


def test_a_tuple_inside_an_argument_arrives_as_a_list(run_jobs: Callable[[], int]) -> None:
    task_id = async_task(f"{OLD}.echo", ("a", ("b",)))

    run_jobs()

    assert result(task_id) == ["a", ["b"]]


def test_where_allowed_a_signed_pickle_holds_the_rest(
    run_jobs: Callable[[], int], settings: Any
) -> None:
    settings.JOBS_DJANGO_Q2_PICKLE = True
    task_id = async_task(f"{OLD}.echo", {DAY: {1, 2}})

    job = job_of(task_id)
    assert (job.kwargs["args"], job.kwargs["kwargs"]) == ([], {})
    run_jobs()

    assert result(task_id) == {DAY: {1, 2}}


def test_json_is_still_json_where_pickles_are_allowed(
    transactional_db: None, settings: Any
) -> None:
    settings.JOBS_DJANGO_Q2_PICKLE = True

    job = job_of(async_task(f"{OLD}.echo", [1, "two"]))

    assert job.kwargs["args"] == [[1, "two"]]
    assert "package" not in job.kwargs["task"]


def test_a_pickle_is_not_opened_once_they_are_no_longer_allowed(
    run_jobs: Callable[[], int], settings: Any
) -> None:
    settings.JOBS_DJANGO_Q2_PICKLE = True
    task_id = async_task(f"{OLD}.echo", DAY)
    settings.JOBS_DJANGO_Q2_PICKLE = False

    run_jobs()

    assert "JOBS_DJANGO_Q2_PICKLE is off" in failure_of(task_id).message
    assert not row_of(task_id).success


def test_a_pickle_that_was_not_signed_here_is_not_opened(
    run_jobs: Callable[[], int], settings: Any, calls: list[Any]
) -> None:
    settings.JOBS_DJANGO_Q2_PICKLE = True
    task_id = async_task(f"{OLD}.note", DAY)
    job = job_of(task_id)
    job.arguments["kwargs"]["task"]["package"] += "x"
    job.save(update_fields=["arguments"])

    run_jobs()

    assert failure_of(task_id).exception_class.endswith("BadSignature")
    assert calls == []


TEXTS = st.text(st.characters(exclude_characters="\x00", codec="utf-8"))
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(args=st.lists(JSON_VALUES, max_size=3), kwargs=st.dictionaries(TEXTS, JSON_VALUES))
def test_everything_that_json_holds_exactly_is_taken(
    args: list[Any], kwargs: dict[str, Any]
) -> None:
    arguments.check("f", args, kwargs)


@given(
    value=JSON_VALUES,
    bad=st.dates() | st.decimals() | st.binary() | st.sets(st.integers()) | st.complex_numbers(),
)
def test_one_bad_value_anywhere_is_enough_to_refuse(value: Any, bad: Any) -> None:
    with pytest.raises(InvalidArguments):
        arguments.check("f", [value, {"deep": [value, (bad,)]}], {})
