"""What the end of an attempt writes, and that a late finisher writes nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from jobs.dispatch import NewJob, insert
from jobs.execution import rescue
from jobs.identifiers import uuid7
from jobs.ledger import Ledger
from jobs.ledger.moments import microseconds
from jobs.ledger.outcome import ClaimedJob, Failure, LogLine, Outcome
from jobs.models import Attempt, FailedJob, Job, JobLog, JobState, Lease

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "tests.jobs.sample_jobs.add"


def new(**options: object) -> NewJob:
    values: dict[str, object] = {
        "definition": NAME,
        "queue": "default",
        "arguments": {"args": [1], "kwargs": {}},
        **options,
    }
    return NewJob(**values)  # type: ignore[arg-type]


def claim(book: Ledger, limit: int = 10) -> list[ClaimedJob]:
    return book.claim(worker_id=7, queues=["default"], limit=limit)


def ended(job: ClaimedJob, state: str = "succeeded", **facts: object) -> Outcome:
    values: dict[str, object] = {
        "job": job,
        "outcome": "succeeded" if state == "succeeded" else "failed",
        "state": state,
        "started": microseconds(job.started_at),
        "finished": microseconds(job.started_at) + 2_000_000,
        **facts,
    }
    return Outcome(**values)  # type: ignore[arg-type]


def ids(outcomes: Sequence[Outcome]) -> list[UUID]:
    return [outcome.job.id for outcome in outcomes]


def states(job_ids: Sequence[UUID]) -> list[str]:
    found = dict(Job.objects.values_list("id", "state"))
    return [found[job_id] for job_id in job_ids]


def test_a_success_is_recorded_with_its_attempt(book: Ledger) -> None:
    insert([new()])
    (claimed,) = claim(book)
    assert ids(book.complete([ended(claimed, result={"a": [1, None]})]).accepted) == [claimed.id]
    job, attempt = Job.objects.get(), Attempt.objects.get()
    assert (job.state, job.result, job.attempts) == (JobState.SUCCEEDED, {"a": [1, None]}, 1)
    assert job.finished_at == claimed.started_at + dt.timedelta(seconds=2)
    assert (attempt.job_id, attempt.number, attempt.fence, attempt.worker_id) == (job.id, 1, 1, 7)
    assert attempt.run_time == dt.timedelta(seconds=2)


@pytest.mark.parametrize(
    "result", [None, True, False, 0, 1.5, "", "text 'quoted' %s", [], {}, [None]]
)
def test_every_json_result_comes_back_as_it_was(book: Ledger, result: object) -> None:
    insert([new()])
    book.complete([ended(claim(book)[0], result=result)])
    assert Job.objects.get().result == result
    assert type(Job.objects.get().result) is type(result)


def test_many_attempts_end_in_one_call(book: Ledger) -> None:
    insert([new() for _ in range(25)])
    claimed = claim(book, limit=25)
    ends = [ended(job, result=n) for n, job in enumerate(claimed)]
    assert book.complete(ends).accepted == ends
    assert Job.objects.in_state("succeeded").count() == Attempt.objects.count() == 25


def test_a_late_finisher_writes_nothing(book: Ledger) -> None:
    insert([new()])
    (late,) = claim(book)
    rescue.rescue(book, [7], detail="signal 9")
    (current,) = claim(book)
    assert book.complete([ended(late, result="late")]).accepted == []
    assert Job.objects.get().state == JobState.RUNNING
    assert Attempt.objects.values_list("outcome", flat=True).get() == "lost"
    assert ids(book.complete([ended(current, result="in time")]).accepted) == [current.id]
    assert Job.objects.get().result == "in time"


def test_an_attempt_ends_once(book: Ledger) -> None:
    insert([new()])
    (claimed,) = claim(book)
    assert ids(book.complete([ended(claimed)]).accepted) == [claimed.id]
    assert book.complete([ended(claimed, "failed")]).accepted == []
    assert Attempt.objects.count() == 1


def test_of_two_claims_of_one_job_that_end_in_one_call_only_the_newest_counts(
    book: Ledger,
) -> None:
    insert([new()])
    (old,) = claim(book)
    book.give_back([old])
    (newest,) = claim(book)
    failure = Failure(reason="exception", fingerprint="f")
    both = [ended(old, "failed", failure=failure), ended(newest, "failed", failure=failure)]
    assert book.complete(both).accepted == both[1:]
    assert Attempt.objects.get().fence == newest.fence
    assert FailedJob.objects.count() == 1


def test_a_retry_waits_for_its_time(book: Ledger) -> None:
    insert([new()])
    (claimed,) = claim(book)
    before = book.now()
    book.complete([ended(claimed, "scheduled", delay=60, is_exception=True)])
    job = Job.objects.get()
    assert (job.state, job.exceptions, job.finished_at) == (JobState.SCHEDULED, 1, None)
    assert job.due_at is not None
    assert dt.timedelta(seconds=59) < job.due_at - before < dt.timedelta(seconds=65)
    assert claim(book) == []


def test_a_cancelled_job_is_not_tried_again(book: Ledger) -> None:
    insert([new()])
    (claimed,) = claim(book)
    Job.objects.update(cancel_requested=True)
    (written,) = book.complete([ended(claimed, "scheduled", delay=5)]).accepted
    job = Job.objects.get()
    assert written.state == job.state == JobState.CANCELLED
    assert job.finished_at is not None


def test_an_interrupted_attempt_is_not_spent_but_recorded(book: Ledger) -> None:
    insert([new()])
    (claimed,) = claim(book)
    book.complete([ended(claimed, "ready", outcome="interrupted", refund=True)])
    job, attempt = Job.objects.get(), Attempt.objects.get()
    assert (job.state, job.attempts) == (JobState.READY, 0)
    assert (attempt.number, attempt.outcome) == (1, "interrupted")


def test_a_failure_keeps_all_that_a_retry_needs(book: Ledger) -> None:
    insert([new(tags=("a", "b"), priority=5, options={"max_attempts": 3})])
    (claimed,) = claim(book)
    failure = Failure(reason="exception", fingerprint="f" * 32)
    facts = {"exception_class": "ValueError", "message": "nul \x00 and \ud800", "traceback": "T"}
    book.complete([ended(claimed, "failed", failure=failure, is_exception=True, **facts)])
    failed, job = FailedJob.objects.get(), Job.objects.get()
    assert failed.job_id == job.id
    assert (failed.definition, failed.queue, failed.priority) == (NAME, "default", 5)
    assert failed.arguments == job.arguments
    assert failed.options == {"max_attempts": 3}
    assert sorted(failed.tags) == ["a", "b"]
    assert failed.message == "nul \\x00 and \\ud800"
    assert (failed.attempts, failed.failed_at) == (1, job.finished_at)


def test_log_lines_are_kept_with_their_attempt(book: Ledger) -> None:
    insert([new()])
    (claimed,) = claim(book)
    lines = [LogLine(timezone.now(), "info", "one"), LogLine(timezone.now(), "warning", "two")]
    book.complete([ended(claimed, logs=lines)])
    assert list(JobLog.objects.values_list("attempt", "level", "message")) == [
        (1, "info", "one"),
        (1, "warning", "two"),
    ]


def chain_of(count: int) -> list[NewJob]:
    chain, links = uuid4(), []
    for _ in range(count):
        follows = links[-1].id if links else None
        links.append(new(chain=chain, follows_id=follows, id=uuid7()))
    return links


def test_a_link_waits_for_the_success_of_the_one_before(book: Ledger) -> None:
    job_ids = insert(chain_of(3))
    assert states(job_ids) == ["ready", "blocked", "blocked"]
    book.complete([ended(claim(book)[0])])
    assert states(job_ids) == ["succeeded", "ready", "blocked"]


def test_a_failed_link_cancels_the_rest_of_its_chain_only(book: Ledger) -> None:
    broken, other = insert(chain_of(3)), insert(chain_of(2))
    done = book.complete(
        [ended(claim(book, 1)[0], "failed", failure=Failure(reason="exception", fingerprint="f"))]
    )
    assert sorted(link.id for link in done.cancelled) == broken[1:]
    assert states(broken) == ["failed", "cancelled", "cancelled"]
    assert states(other) == ["ready", "blocked"]


def test_a_link_that_is_retried_keeps_the_rest_waiting(book: Ledger) -> None:
    job_ids = insert(chain_of(2))
    book.complete([ended(claim(book)[0], "scheduled", delay=60)])
    assert states(job_ids) == ["scheduled", "blocked"]


def test_of_many_successes_only_those_that_are_refused_are_told(book: Ledger) -> None:
    """All together, as most come; the late one may be anywhere among them."""
    job_ids = insert([new() for _ in range(5)])
    outcomes = [ended(job, result={"n": number}) for number, job in enumerate(claim(book))]
    rescued = outcomes[2].job
    Job.objects.filter(pk=rescued.id).update(fence=rescued.fence + 1)
    doubled = [*outcomes, outcomes[0]]
    others = book._finish(  # type: ignore[attr-defined]
        "[" + ",".join(book.record(outcome) for outcome in outcomes) + "]", all_succeeded=True
    )
    assert others == {(rescued.id, rescued.fence): None}
    assert ids(book.complete(doubled).accepted) == []
    expected = ["running" if job_id == rescued.id else "succeeded" for job_id in job_ids]
    assert states(job_ids) == expected
    assert Attempt.objects.filter(outcome="succeeded", number=1).count() == 4
    assert Job.objects.get(pk=job_ids[3]).result == {"n": 3}
    assert Job.objects.get(pk=job_ids[3]).finished_at == outcomes[3].finished_at


def test_a_failed_write_leaves_nothing_behind(book: Ledger) -> None:
    insert([new(), new()])
    first, second = claim(book)
    bad = ended(second, "failed", failure=Failure(reason="x" * 50_000, fingerprint="f" * 50_000))
    bad.record = json.dumps({**json.loads(book.record(bad)), "started_at": None})
    with pytest.raises(Exception, match=r"(?i)null|constraint"):
        book.complete([ended(first), bad])
    assert set(Job.objects.values_list("state", flat=True)) == {"running"}
    assert not Attempt.objects.exists()
    assert not FailedJob.objects.exists()


def test_a_lease_has_one_holder_until_it_runs_out(book: Ledger) -> None:
    one, two = uuid4(), uuid4()
    hour = dt.timedelta(hours=1)
    assert book.take_lease("clock", one, hour)
    assert book.take_lease("clock", one, hour)
    assert not book.take_lease("clock", two, hour)
    Lease.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert book.take_lease("clock", two, hour)
    book.release_lease("clock", one)
    assert Lease.objects.get().holder == two
    book.release_lease("clock", two)
    assert not Lease.objects.exists()
