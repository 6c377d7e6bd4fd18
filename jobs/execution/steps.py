"""Steps: long work that goes on where it stopped, after a deploy, a crash or a retry.

What is done is kept with the job, so that a new attempt passes over it. Between two pieces of work
a job that is to stop does: its attempt is interrupted, not spent, where its worker is stopping.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, overload

from django.db.models import Model, QuerySet

from jobs.arguments import encode_result
from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption, JobLost
from jobs.execution.context import REPORT_EVERY, CurrentJob, current_job

if TYPE_CHECKING:
    from uuid import UUID

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)
T = TypeVar("T")

PAGE = 500
"""Rows of a query set that are read at once."""
MOST_BYTES = 64 * 1024
"""Of all that is kept of a job's steps."""
LONGEST_NAME = 100
LONGEST_LINE = 100
"""Retries of retries that are looked through for the steps of an earlier one."""


def steps() -> Steps:
    """The steps of the job that runs here. Raises RuntimeError outside of a job."""
    job = current_job()
    if job is None:
        raise RuntimeError("steps() can be called inside a running job only")
    if job.steps is None:
        job.steps = Steps(job)
    return job.steps


class Steps:
    """What a job has done of its work, by the names of its steps.

    A piece of work is done at least once: after a crash, what was done in the last second may be
    done again. After a deploy, a release or an exception nothing is, but the piece that raised.
    """

    def __init__(self, job: CurrentJob) -> None:
        self._job = job
        self._kept: list[dict[str, Any]] = job.load_steps()
        self._begun: set[str] = set()
        self._saved_at = monotonic()
        self._is_dirty = False

    def once(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, unless an earlier attempt has; return what it returned, as JSON.

        Raises TypeError for a result that JSON cannot hold.
        """
        step = self._begin(name)
        if not step.get("done"):
            result = encode_result(function(*args, **kwargs))
            self._change(step, done=True, result=result)
            self.save()
            self._stop_if_asked()
        return step.get("result")

    @overload
    def each(
        self, name: str, items: QuerySet[Row], *, by: str = "pk", total: float | None = None
    ) -> Iterator[Row]: ...

    @overload
    def each(
        self, name: str, items: Sequence[Item], *, total: float | None = None
    ) -> Iterator[Item]: ...

    @overload
    def each(
        self,
        name: str,
        items: Callable[[Any], Iterable[Item]],
        *,
        by: Callable[[Item], Any],
        total: float | None = None,
    ) -> Iterator[Item]: ...

    def each(
        self, name: str, items: Any, *, by: Any = None, total: float | None = None
    ) -> Iterator[Any]:
        """The items that no earlier attempt has been through, one by one.

        `items` is a query set, gone through by the unique field `by`, in pages; a sequence, which
        must be the same in every attempt; or a function that gets the cursor of the last item, or
        None, and returns those after it, `by` telling the cursor of each, which is JSON. With
        `total` the job's progress is reported.
        """
        pairs = _pairs(items, by)
        step = self._begin(name)
        if step.get("done"):
            return
        for item, cursor in pairs(step.get("cursor")):
            yield item
            # The loop comes back here once it is done with the item.
            count = step.get("count", 0) + 1
            self._change(step, cursor=encode_result(cursor), count=count)
            if total is not None:
                self._job.progress(count, total, name)
            self._pause()
        self._change(step, done=True)
        self.save()

    def cursor(self, name: str, default: Any = None) -> Any:
        """Where an earlier attempt has come to in this step, for loops that `each` does not fit."""
        return self._find(name).get("cursor", default)

    def reach(self, name: str, cursor: Any) -> None:
        """Keep where this step has come to, as JSON; the job ends here if it is to stop.

        Kept at most once a second, and in any case when the attempt ends.
        """
        self._change(self._find(name), cursor=encode_result(cursor))
        self._pause()

    def save(self) -> None:
        """Keep all that was done so far, now.

        Raises InvalidOption where it is too much, or has the value of a sensitive argument in it,
        and JobLost where this attempt was taken for dead and another has taken over.
        """
        if not self._is_dirty:
            return
        text = json.dumps(self._kept)
        if len(text) > MOST_BYTES:
            raise InvalidOption(
                "steps", f"{len(text)} bytes", f"must be {MOST_BYTES} at most; keep ids, not data"
            )
        if self._job.scrub is not None and self._job.scrub.holds(text):
            raise InvalidOption(
                "steps", "…", "what is kept has the value of a sensitive argument in it"
            )
        self._job.save_steps(self._kept)
        self._saved_at = monotonic()
        self._is_dirty = False

    def _begin(self, name: str) -> dict[str, Any]:
        if name in self._begun:
            raise InvalidOption("name", name, "is the name of an earlier step of this job")
        step = self._find(name)
        self._begun.add(name)
        return step

    def _find(self, name: str) -> dict[str, Any]:
        """What is kept of a step; a new one is kept once something is done."""
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            raise InvalidOption("name", name, f"must be text of 1 to {LONGEST_NAME} characters")
        for step in self._kept:
            if step["name"] == name:
                return step
        return {"name": name}

    def _change(self, step: dict[str, Any], **facts: Any) -> None:
        step.update(facts)
        if step not in self._kept:
            self._kept.append(step)
        self._is_dirty = True

    def _pause(self) -> None:
        if monotonic() - self._saved_at >= REPORT_EVERY:
            self.save()
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        if self._job.should_stop():
            self.save()
            self._job.release()


Pairs = Callable[[Any], Iterator[tuple[Any, Any]]]
"""From the cursor of the last item, or None, to the items after it, each with its cursor."""


def _pairs(items: Any, by: Any) -> Pairs:
    if isinstance(items, QuerySet):
        if by is not None and not isinstance(by, str):
            raise InvalidOption("by", by, "must be the name of a unique field")
        return partial(_rows, items, by or "pk")
    if callable(items):
        if not callable(by):
            raise InvalidOption("by", by, "must be a function that tells the cursor of an item")
        return partial(_called, items, by)
    if not isinstance(items, Sequence):
        raise InvalidOption(
            "items", type(items).__name__, "must be a query set, a sequence or a function"
        )
    if by is not None:
        raise InvalidOption("by", by, "is for query sets and functions; a sequence has places")
    return partial(_placed, items)


def _rows(rows: QuerySet[Row], by: str, last: Any) -> Iterator[tuple[Row, Any]]:
    """In pages, as a cursor of the database would not outlive a lost connection."""
    rows = rows.order_by(by)
    while True:
        page = list((rows if last is None else rows.filter(**{f"{by}__gt": last}))[:PAGE])
        for row in page:
            value = getattr(row, by)
            last = value if isinstance(value, int | str) else str(value)
            yield row, last
        if len(page) < PAGE:
            return


def _called(
    items: Callable[[Any], Iterable[Item]], by: Callable[[Item], Any], last: Any
) -> Iterator[tuple[Item, Any]]:
    for item in items(last):
        yield item, by(item)


def _placed(items: Sequence[Item], last: Any) -> Iterator[tuple[Item, int]]:
    for place in range(last or 0, len(items)):
        yield items[place], place + 1


def load(job_id: UUID) -> list[dict[str, Any]]:
    """What is kept of a job's steps; where it runs a failed one again with the same arguments and
    has done nothing yet, what is kept of that."""
    from jobs.models import Job

    rows = Job.objects.using(conf.DATABASE).values("checkpoint", "retry_of", "arguments")
    row = rows.filter(pk=job_id).first()
    for _ in range(LONGEST_LINE):
        if row is None or row["checkpoint"] is not None or row["retry_of"] is None:
            break
        earlier = rows.filter(pk=row["retry_of"]).first()
        if earlier is not None and earlier["arguments"] != row["arguments"]:
            break
        row = earlier
    return (row["checkpoint"] if row is not None else None) or []


def save(job_id: UUID, fence: int, kept: list[dict[str, Any]]) -> None:
    """Keep this with the job. Raises JobLost where the claim of this fence no longer holds it, as
    then another attempt may be at the same work."""
    from jobs.models import Job

    held = Job.objects.using(conf.DATABASE).running().filter(pk=job_id, fence=fence)
    if not held.update(checkpoint=kept):
        raise JobLost("another attempt has taken over the job")
