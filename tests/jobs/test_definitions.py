"""Declaring jobs: options, their checks, and copies for one call."""

from __future__ import annotations

import datetime as dt
import pickle
from pathlib import Path
from typing import Any

import pytest

from jobs import Backoff, job, registry
from jobs.definitions import JobDefinition
from jobs.exceptions import InvalidDefinition, UnknownDefinition
from tests.jobs import sample_jobs


def test_a_decorated_function_is_registered_under_its_path() -> None:
    assert registry.get("tests.jobs.sample_jobs.add") is sample_jobs.add
    assert "tests.jobs.sample_jobs.add" in registry.names()


def test_a_plain_task_is_a_job_definition_too() -> None:
    assert isinstance(sample_jobs.plain, JobDefinition)
    assert registry.get("tests.jobs.sample_jobs.plain") is sample_jobs.plain


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownDefinition, match=r"mean 'tests\.jobs\.sample_jobs\.add'"):
        registry.get("tests.jobs.sample_jobs.ad")


@pytest.mark.parametrize(
    "name",
    ["os.system", "tests.jobs.sample_jobs.calls", "nowhere", "", "a.b", "..jobs.add", ".x", "a..b"],
)
def test_only_what_a_decorator_made_can_be_reached_by_name(name: str) -> None:
    assert registry.find(name) is None


def test_what_is_not_registered_is_found_by_importing_its_module_and_by_that_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "late_jobs.py").write_text(
        "from jobs import job\n\n@job\ndef late() -> None:\n    pass\n"
    )
    assert registry.registered("late_jobs.late") is None
    found = registry.find("late_jobs.late")
    assert found is not None
    assert registry.registered("late_jobs.late") is found


def test_the_function_can_be_called_as_before() -> None:
    assert sample_jobs.add.call(2, b=2) == 4
    assert sample_jobs.add.func(2, 3) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_atempts": 3}, "unknown option 'max_atempts', did you mean 'max_attempts'"),
        ({"max_attempts": 0}, "max_attempts: 0 must be a whole number of at least 1"),
        ({"max_attempts": "3"}, "max_attempts: '3' must be"),
        ({"timeout": -1}, "timeout: -1 must be a positive number of seconds"),
        ({"timeout": "5"}, "timeout: '5' must be"),
        ({"retry_on": ValueError("x")}, "retry_on: .* must be an exception class"),
        ({"on_failure": "name"}, "on_failure: 'name' must be callable"),
        ({"on_crash": "explode"}, "on_crash: 'explode' must be one of retry, fail"),
        ({"delivery": "maybe"}, "delivery: 'maybe' must be one of"),
        ({"delivery": "at_most_once", "max_attempts": 2}, "max_attempts: 2 must be 1"),
        ({"tags": "word"}, "tags: 'word' must be a list"),
        ({"tags": [""]}, "tags: '' must be text"),
        ({"retry_until": dt.datetime(2030, 1, 1)}, "retry_until: .* must be an aware datetime"),
        ({"deadline": dt.timedelta(0)}, "deadline: .* must be a positive"),
    ],
)
def test_a_wrong_option_is_named_with_its_rule(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDefinition, match=message):
        job(**options)(sample_jobs.add.func)
    assert registry.get("tests.jobs.sample_jobs.add") is sample_jobs.add


def test_options_are_kept_in_one_form() -> None:
    declared = sample_jobs.add.using(
        backoff=[1, dt.timedelta(seconds=2)],
        timeout=dt.timedelta(milliseconds=1500),
        tags=["a", "b", "a"],
    )
    assert (declared.backoff, declared.timeout, declared.tags) == ((1.0, 2.0), 1.5, ("a", "b"))
    assert sample_jobs.add.using(backoff=Backoff.exponential(3)).backoff == Backoff(3)


def test_a_copy_leaves_the_declaration_alone() -> None:
    copy = sample_jobs.add.using(priority=50, queue_name="high", run_after=dt.timedelta(minutes=1))
    assert (copy.priority, copy.queue_name) == (50, "high")
    assert copy.run_after is not None
    assert sample_jobs.add.priority == 0
    assert registry.get(sample_jobs.add.path) is sample_jobs.add


@pytest.mark.parametrize("option", ["on_failure", "should_retry", "backoff", "tags"])
def test_callables_belong_to_the_declaration(option: str) -> None:
    with pytest.raises(InvalidDefinition, match=f"{option}: can only be given where"):
        sample_jobs.add.using(**{option: lambda *args: 1})


def test_an_unknown_option_of_a_copy_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="unknown option 'prioritty', did you mean"):
        sample_jobs.add.using(prioritty=1)


def test_definitions_can_be_hashed_and_pickled() -> None:
    copy = sample_jobs.add.using(priority=5, timeout=3)
    assert pickle.loads(pickle.dumps(copy)) == copy
    assert hash(copy) == hash(sample_jobs.add.using(priority=5, timeout=3))
    assert pickle.loads(pickle.dumps(sample_jobs.add)) == sample_jobs.add
