"""`async_chain` and `Chain`: all links in the ledger, each waiting for the one before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django_q.models import Task
from django_q.signals import pre_enqueue
from django_q.tasks import Chain, async_chain, async_task, result_group

from jobs.exceptions import InvalidArguments
from jobs.models import Job, JobState
from tests.jobs.django_q2.conftest import OLD


def links_of(group: str) -> list[Job]:
    return list(Job.objects.filter(tags__name=f"group:{group}").order_by("id"))


def test_the_links_run_one_after_the_other(run_jobs: Callable[[], int], calls: list[Any]) -> None:
    group = async_chain(
        [
            (f"{OLD}.note", ("first",)),
            (f"{OLD}.note", ("second",), {"loud": True}),
            f"{OLD}.note",
        ]
    )

    run_jobs()

    assert calls == [(("first",), {}), (("second",), {"loud": True}), ((), {})]
    assert Task.objects.filter(group=group, success=True).count() == 3


def test_all_links_are_in_the_ledger_at_once(transactional_db: None) -> None:
    group = async_chain([(f"{OLD}.multiply", (n,)) for n in range(3)])

    first, second, third = links_of(group)
    assert [job.state for job in (first, second, third)] == [
        JobState.READY, JobState.BLOCKED, JobState.BLOCKED,
    ]  # fmt: skip
    assert (second.follows_id, third.follows_id) == (first.id, second.id)
    assert first.chain == second.chain == third.chain is not None


def test_a_failed_link_ends_the_chain(run_jobs: Callable[[], int], calls: list[Any]) -> None:
    group = async_chain([f"{OLD}.fail", (f"{OLD}.note", ("never",)), (f"{OLD}.note", ("nor",))])

    run_jobs()

    assert calls == ["no such luck"]
    states = [job.state for job in links_of(group)]
    assert states == [JobState.FAILED, JobState.CANCELLED, JobState.CANCELLED]


def test_each_link_has_its_own_options(run_jobs: Callable[[], int], calls: list[Any]) -> None:
    group = async_chain(
        [
            (f"{OLD}.multiply", (2,), {"task_name": "one", "timeout": 5}),
            (f"{OLD}.multiply", (3,), {"q_options": {"task_name": "two", "hook": f"{OLD}.hook"}}),
        ]
    )

    one, two = links_of(group)
    assert (one.kwargs["task"]["name"], two.kwargs["task"]["name"]) == ("one", "two")
    assert (one.options.get("timeout"), two.options.get("timeout")) == (5.0, None)
    run_jobs()

    hooked = [call for call in calls if call[0] == "hook"]
    assert hooked == [("hook", two.kwargs["task"]["id"], True, 3)]


def test_one_bad_link_refuses_the_whole_chain(transactional_db: None) -> None:
    with pytest.raises(InvalidArguments):
        async_chain([f"{OLD}.note", (f"{OLD}.note", ({1, 2},))])

    assert not Job.objects.exists()


def test_pre_enqueue_is_sent_for_every_link(transactional_db: None) -> None:
    sent: list[str] = []

    def hear(sender: str, task: dict[str, Any], **kwargs: Any) -> None:
        sent.append(task["id"])

    pre_enqueue.connect(hear)
    try:
        group = async_chain([f"{OLD}.note", f"{OLD}.note", f"{OLD}.note"])
    finally:
        pre_enqueue.disconnect(hear)

    assert set(sent) == {job.kwargs["task"]["id"] for job in links_of(group)}
    assert len(sent) == 3


def test_the_class_of_a_chain_works(run_jobs: Callable[[], int]) -> None:
    chain = Chain()
    chain.append("math.floor", 1.5)
    chain.append("math.copysign", 1, -1)
    chain.append("math.floor", 2)
    chain.run()

    run_jobs()

    assert chain.length() == chain.current() == 3
    assert sorted(chain.result()) == [-1.0, 1, 2]
    assert len(chain.fetch()) == 3


def test_a_cached_chain_keeps_its_results_in_the_cache(
    run_jobs: Callable[[], int], clean_cache: None
) -> None:
    group = async_chain([("math.floor", (1.5,)), ("math.floor", (2.5,))], cached=True)

    run_jobs()

    assert result_group(group, cached=True) == [1, 2]
    assert not Task.objects.exists()


def test_a_chain_may_be_given_to_async_task(run_jobs: Callable[[], int], calls: list[Any]) -> None:
    async_task(f"{OLD}.note", 1, chain=[(f"{OLD}.note", (2,))], group="pair")

    run_jobs()

    assert [args for args, _ in calls] == [(1,), (2,)]
