"""Ends at the same moment on several connections: each counts once, and callbacks come once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from jobs import batch, chain
from jobs.cancelling import cancel
from jobs.execution import finishing
from jobs.ledger import Ledger, ledger
from jobs.ledger.outcome import ClaimedJob, Failure, Outcome
from jobs.models import Job, Workflow
from jobs.workflows.handles import CODE
from tests.jobs.workflows.flow_jobs import say, tell

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def outcome(job: ClaimedJob, state: str = "succeeded") -> Outcome:
    return Outcome(
        job=job,
        outcome=state,
        state=state,
        started=job.now(),
        finished=job.now(),
        failure=Failure(reason="exception", fingerprint="f") if state == "failed" else None,
    )


def at_once(*acts: Callable[[Ledger], Any]) -> None:
    """Each in a thread with its own connection, all let go together."""
    gate = threading.Barrier(len(acts))
    errors: list[BaseException] = []

    def run(act: Callable[[Ledger], Any]) -> None:
        try:
            book = ledger()
            book.now()
            gate.wait()
            act(book)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert errors == []


def called(word: str) -> int:
    return Job.objects.filter(definition=tell.path, arguments__args=[word]).count()


def ends(job: ClaimedJob, state: str = "succeeded") -> Callable[[Ledger], Any]:
    return lambda book: finishing.finish(book, [outcome(job, state)])


def test_the_last_two_members_end_together_and_then_is_called_once(book: Ledger) -> None:
    for round_ in range(50):
        handle = batch([say.s("a"), say.s("b")], then=tell.s(f"then {round_}")).enqueue()
        first, second = book.claim(worker_id=1, queues=["default"], limit=2)
        at_once(ends(first), ends(second))
        assert handle.refresh().state == "succeeded"
        assert called(f"then {round_}") == 1


def test_two_failures_together_are_caught_once(book: Ledger) -> None:
    for round_ in range(20):
        members = [chain(say.s("a"), say.s("b")), chain(say.s("c"), say.s("d")), say.s("e")]
        handle = batch(members, catch=tell.s(f"catch {round_}")).enqueue()
        first, second, third = book.claim(worker_id=1, queues=["default"], limit=3)
        at_once(ends(first, "failed"), ends(second, "failed"), ends(third))
        assert handle.refresh().state == "failed"
        assert handle.progress.as_dict()["percent"] == 100
        assert called(f"catch {round_}") == 1


def test_a_cancellation_meets_the_last_ends(book: Ledger) -> None:
    for round_ in range(20):
        finally_ = tell.s(f"finally {round_}")
        handle = batch([say.s(word) for word in "abcd"], finally_=finally_).enqueue()
        first, second = book.claim(worker_id=1, queues=["default"], limit=2)
        waiting = list(Job.objects.ready().filter(chain=handle.id).values_list("pk", flat=True))
        at_once(
            ends(first),
            ends(second, "failed"),
            lambda book, waiting=waiting: cancel(waiting, CODE),
            lambda book, handle=handle: handle.cancel(),
        )
        assert handle.refresh().is_finished
        assert called(f"finally {round_}") == 1
        flow = Workflow.objects.get(pk=handle.id)
        assert flow.ended == flow.total == 4


def test_a_batch_ends_while_somebody_adds_to_it(book: Ledger) -> None:
    from jobs.exceptions import WorkflowEnded

    for round_ in range(20):
        handle = batch([say.s("a")], then=tell.s(f"then {round_}")).enqueue()
        (held,) = book.claim(worker_id=1, queues=["default"], limit=1)

        def adds(book: Ledger, handle: Any = handle) -> None:
            try:
                handle.add([say.s("b")])
            except WorkflowEnded:
                return

        at_once(ends(held), adds)
        for job in book.claim(worker_id=1, queues=["default"], limit=5):
            finishing.finish(book, [outcome(job)])
        assert handle.refresh().state == "succeeded"
        assert handle.progress.succeeded == handle.progress.total
        assert called(f"then {round_}") == 1
