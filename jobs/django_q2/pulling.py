"""For code that takes tasks out of the broker, as django-q2's own pusher does.

Our cluster never does: its workers claim jobs from the ledger by themselves. What is taken here is
held by a worker row of its own, as the jobs of any worker are. It runs with django-q2's guarantees:
whoever took it must acknowledge it within `retry` seconds, or it is given out again, and at the
third time fails as a job that takes its workers with it.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from uuid import UUID

from django_q.conf import Conf
from django_q.models import Task
from django_q.signing import SignedPackage

from jobs import arguments
from jobs.conf import settings
from jobs.django_q2 import sensitive
from jobs.django_q2.calls import OldCall
from jobs.django_q2.task import run_task
from jobs.execution import finishing, rescue
from jobs.execution.description import describe
from jobs.failures.fingerprint import fingerprint
from jobs.ledger import Ledger, ledger
from jobs.ledger.moments import microseconds
from jobs.ledger.outcome import ClaimedJob, Failure, Outcome
from jobs.models import AttemptOutcome, FailureReason, Job, JobState, Queue, Worker

TAKER = "django-q2"
"""The pool under which a worker row holds what was taken at once."""
OVERDUE = "not acknowledged within Q_CLUSTER['retry']"


def take(queue: str, limit: int) -> list[tuple[str, str]]:
    """Take up to so many old calls that are ready on a queue, in the order of the ledger.

    Returns the acknowledgement and the signed package of each. A task whose arguments can no longer
    be had, such as a model instance that is gone, fails and is not returned.
    """
    book = ledger()
    redeliver(book)
    ready = Job.objects.using(settings.DATABASE).ready().on_queues([queue])
    calls = ready.filter(definition=run_task.path).order_by("claim_rank", "id")
    found = list(calls.values_list("pk", flat=True)[:limit])
    paused = Queue.objects.using(settings.DATABASE).filter(name=queue).paused(book.now())
    if not found or paused.exists():
        return []
    holder = Worker.objects.using(settings.DATABASE).create(
        pool=TAKER, host=socket.gethostname(), pid=os.getpid()
    )
    claimed = [book.claim_job(pk, worker_id=holder.pk) for pk in found]
    taken = [_packed(book, job) for job in claimed if job is not None]
    return [item for item in taken if item is not None]


def acknowledge(receipt: str) -> bool:
    """Write the end of a task that was taken; False if it is no longer held by this receipt.

    How it ended is what django-q2's row says; one without a row has succeeded, since a failure
    always has one.
    """
    return _end(receipt, refused=False)


def fail(receipt: str) -> bool:
    """Fail a task that was taken and could not be opened; False as for `acknowledge`."""
    return _end(receipt, refused=True)


def redeliver(book: Ledger | None = None) -> int:
    """Give out again what was taken and not acknowledged within `retry`; return how many."""
    book = book or ledger()
    overdue = book.now() - dt.timedelta(seconds=Conf.RETRY)
    holders = Worker.objects.using(settings.DATABASE).filter(
        pool=TAKER, cluster=None, stopped_at=None, started_at__lt=overdue
    )
    ids = list(holders.values_list("pk", flat=True))
    if not ids:
        return 0
    report = rescue.rescue(book, ids, detail=OVERDUE)
    Worker.objects.using(settings.DATABASE).filter(pk__in=ids).update(
        stopped_at=book.now(), exit=OVERDUE
    )
    return report.total


def _packed(book: Ledger, job: ClaimedJob) -> tuple[str, str] | None:
    try:
        args, kwargs = arguments.decode(job.arguments)
        call = OldCall.stored(*args, **kwargs).unpacked()
        sensitive.refuse_sealed(call.func, call.args, call.kwargs)
    except Exception as error:
        described = describe(error)
        _fail(book, job, described.exception_class, described.message, described.traceback)
        _release(book, job)
        return None
    # With one attempt, the ledger's default, a failure is the end: it is not given out again.
    ends = job.options.get("max_attempts", 1) == 1
    task = {**call.as_task(), "started": job.enqueued_at, "ack_failure": ends}
    if "timeout" in job.options:
        # Its alarm knows whole seconds only, and 0 as none.
        timeout = job.options["timeout"]
        task["timeout"] = -1 if timeout is None else max(1, round(timeout))
    return f"{job.id}:{job.fence}:{job.worker_id}", str(SignedPackage.dumps(task))


def _end(receipt: str, *, refused: bool) -> bool:
    book = ledger()
    job = _held(book, receipt)
    if job is None:
        return False
    task_id = job.arguments["kwargs"]["task"]["id"]
    row = Task.objects.filter(pk=task_id).first()
    if refused:
        _fail(book, job, "", "The package could not be opened", "")
    elif row is not None and not row.success:
        _fail(book, job, "", str(row.result), "")
    else:
        _succeed(book, job, row.result if row is not None else None)
    _release(book, job)
    return True


def _held(book: Ledger, receipt: str) -> ClaimedJob | None:
    try:
        job_id, fence, worker_id = receipt.split(":")
        wanted = (UUID(job_id), int(fence))
        held = book.held_by([int(worker_id)])
    except ValueError:
        return None
    return next((job for job in held if (job.id, job.fence) == wanted), None)


def _succeed(book: Ledger, job: ClaimedJob, value: object) -> None:
    try:
        result = arguments.encode_result(value)
    except TypeError:
        # django-q2's row has it.
        result = None
    finishing.finish(
        book,
        [
            Outcome(
                job=job,
                outcome=AttemptOutcome.SUCCEEDED,
                state=JobState.SUCCEEDED,
                result=result,
                started=microseconds(job.started_at),
                finished=microseconds(max(book.now(), job.started_at)),
            )
        ],
    )


def _fail(book: Ledger, job: ClaimedJob, kind: str, message: str, traceback: str) -> None:
    finishing.finish(
        book,
        [
            Outcome(
                job=job,
                outcome=AttemptOutcome.FAILED,
                state=JobState.FAILED,
                started=microseconds(job.started_at),
                finished=microseconds(max(book.now(), job.started_at)),
                exception_class=kind,
                message=message,
                traceback=traceback,
                is_exception=True,
                failure=Failure(
                    reason=FailureReason.EXCEPTION,
                    fingerprint=fingerprint(kind, message, traceback),
                ),
            )
        ],
    )


def _release(book: Ledger, job: ClaimedJob) -> None:
    """End the row that held the task once it holds no other."""
    if not book.held_by([job.worker_id]):
        Worker.objects.using(settings.DATABASE).filter(pk=job.worker_id).update(
            stopped_at=book.now(), exit="acknowledged"
        )
