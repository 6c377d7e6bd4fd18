"""Chains: one link after the other, the rest cancelled at the first failure."""

from __future__ import annotations

from typing import Any

import pytest

from jobs import batch, chain, workflow
from jobs.exceptions import InvalidArguments, InvalidWorkflow
from jobs.models import Job, Step
from jobs.transports.sync import run_due
from tests.jobs.workflows.flow_jobs import add, caught, joined, say, tell, total


def test_the_links_run_in_order_each_after_the_one_before(ran: list[Any]) -> None:
    handle = chain(say.s("a"), say.using(priority=50).s("b"), say.s("c"), name="abc").enqueue()
    states = Job.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["ready", "blocked", "blocked"]
    run_due()
    assert ran == ["a", "b", "c"]
    assert handle.refresh().state == "succeeded"


def test_the_first_failure_cancels_the_rest_and_calls_on_failure(
    ran: list[Any], broken: set[Any]
) -> None:
    broken |= {"b"}
    links = chain(say.s("a"), say.s("b"), say.s("c"), say.s("d"))
    handle = links.on_failure(caught.s("no")).enqueue()
    run_due()
    failed = Job.objects.get(state="failed")
    assert ran == ["a", "b", ("no", str(failed.pk))]
    assert handle.refresh().state == "failed"
    progress = handle.progress
    assert (progress.succeeded, progress.failed, progress.cancelled) == (1, 1, 2)
    steps = Step.objects.filter(workflow=handle.id).values_list("name", "state")
    assert list(steps) == [
        ("1 say", "succeeded"), ("2 say", "failed"), ("3 say", "cancelled"), ("4 say", "cancelled"),
    ]  # fmt: skip


def test_results_are_passed_on_when_asked_for(ran: list[Any]) -> None:
    chain(add.s(1, 2), add.s(10), add.s(second=100), pass_results=True).enqueue()
    run_due()
    assert ran == [(1, 2), (3, 10), (13, 100)]


def test_results_are_not_passed_on_otherwise(ran: list[Any]) -> None:
    chain(add.s(1, 2), add.s(10)).enqueue()
    run_due()
    assert ran == [(1, 2), (10, 0)]


def test_a_link_after_a_batch_gets_the_list_of_its_results(ran: list[Any]) -> None:
    members = [add.s(1), chain(add.s(2), add.s(3), pass_results=True), add.s(4)]
    chain(batch(members), total.s(), pass_results=True).enqueue()
    run_due()
    assert Job.objects.get(definition=total.path).result == 10


def test_a_graph_passes_on_a_dict_by_step(ran: list[Any]) -> None:
    graph = workflow("g").step("one", say.s("a")).step("two", say.s("b"), after=["one"])
    chain(graph, tell.s(), pass_results=True).enqueue()
    run_due()
    arguments = Job.objects.get(definition=tell.path).arguments
    assert arguments == {"args": [{"one": "A", "two": "B"}], "kwargs": {}}


def test_a_link_that_cannot_take_a_result_is_refused(ran: list[Any]) -> None:
    with pytest.raises(InvalidArguments, match="with 1 results before them"):
        chain(say.s("a"), say.s("b"), pass_results=True).enqueue()
    with pytest.raises(InvalidArguments, match="cannot be stored"):
        chain(say.s("a"), add.s(object()), pass_results=True).enqueue()
    assert not Job.objects.exists()


def test_what_is_no_chain_is_refused() -> None:
    with pytest.raises(InvalidWorkflow, match="at least one link"):
        chain()
    with pytest.raises(InvalidWorkflow, match="link 2: <function"):
        chain(say.s("a"), say.func)
    with pytest.raises(InvalidWorkflow, match="catch"):
        chain(say.s("a")).on_failure("say")  # type: ignore[arg-type]


def test_then_and_finally_of_a_chain_run_at_its_end(ran: list[Any]) -> None:
    handle = chain(say.s("a"), then=tell.s("then"), finally_=tell.s("finally")).enqueue()
    run_due()
    assert ran == ["a", ("then", str(handle.id)), ("finally", str(handle.id))]


def test_a_long_chain_that_fails_needs_no_recursion(ran: list[Any], broken: set[Any]) -> None:
    broken |= {"first"}
    handle = chain(say.s("first"), *[say.s("x")] * 300).enqueue()
    run_due()
    assert handle.refresh().progress.cancelled == 300


def test_groups_nest_in_each_other(ran: list[Any]) -> None:
    inner = batch([say.s("b"), chain(say.s("c"), say.s("d"))], then=tell.s("inner"))
    handle = chain(say.s("a"), inner, say.s("e"), then=tell.s("outer")).enqueue()
    run_due()
    words = [word for word in ran if isinstance(word, str)]
    assert words[0] == "a"
    assert words[-1] == "e"
    assert words.index("c") < words.index("d")
    assert [word[0] for word in ran if isinstance(word, tuple)] == ["inner", "outer"]
    assert handle.refresh().state == "succeeded"
    assert handle.progress.total == 3


def test_a_failure_deep_inside_ends_all_around_it(ran: list[Any], broken: set[Any]) -> None:
    broken |= {"c"}
    inner = batch([chain(say.s("c"), say.s("d")), chain(say.s("e"), say.s("f"))])
    never = batch([say.s("g")], finally_=tell.s("never"))
    handle = chain(
        inner.on_failure(tell.s("inner")), say.s("z"), never, catch=tell.s("outer")
    ).enqueue()
    run_due()
    assert handle.refresh().state == "failed"
    assert sorted(word[0] for word in ran if isinstance(word, tuple)) == ["inner", "outer"]
    assert not {"d", "e", "f", "g", "z"} & {word for word in ran if isinstance(word, str)}
    left = {"blocked", "ready", "scheduled", "running"}
    assert not Job.objects.filter(state__in=left).exists()
    assert not Step.objects.filter(state__in=["waiting", "active"]).exists()


def test_an_old_chain_without_a_workflow_goes_on_as_before(ran: list[Any]) -> None:
    from jobs import dispatch
    from jobs.identifiers import uuid7

    jobs = [dispatch.new_job(joined, (word,), {}) for word in "abc"]
    for job, before in zip(jobs, [None, *jobs], strict=False):
        job.chain, job.follows_id = jobs[0].chain or uuid7(), before.id if before else None
    dispatch.insert(jobs)
    run_due()
    assert ran == [("a",), ("b",), ("c",)]
