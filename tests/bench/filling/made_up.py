"""Made-up jobs: plausible definitions, arguments, durations and failures, the same for one seed."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from jobs.ledger.order import claim_rank

Value = str | int | None
Values = dict[str, Value]

DEFINITIONS = (
    # Import path, queue, share of all jobs, typical seconds.
    ("shop.jobs.send_receipt", "notifications", 30, 0.3),
    ("shop.jobs.process_webhook", "webhooks", 25, 0.1),
    ("shop.jobs.sync_stock", "default", 15, 1.5),
    ("shop.jobs.resize_image", "low", 10, 4.0),
    ("shop.jobs.index_product", "default", 8, 0.05),
    ("reports.jobs.daily_figures", "analytics", 5, 20.0),
    ("support.jobs.answer_question", "ai", 4, 8.0),
    ("billing.jobs.charge_card", "critical", 2, 1.0),
    ("billing.jobs.send_invoice", "high", 1, 0.7),
)
ERRORS = (
    ("requests.exceptions.ConnectTimeout", "HTTPSConnectionPool: timed out after 10 s"),
    ("builtins.KeyError", "'customer'"),
    ("django.db.utils.IntegrityError", "duplicate key value violates unique constraint"),
    ("builtins.ValueError", "invalid literal for int() with base 10: ''"),
    ("stripe.error.CardError", "Your card was declined."),
)
TRACEBACK = """Traceback (most recent call last):
  File "/srv/site/{path}", line {line}, in {name}
    result = client.post(address, json=payload, timeout=10)
  File "/srv/site/shop/client.py", line 88, in post
    raise error
{kind}: {message}
"""


@dataclass(frozen=True, slots=True)
class Made:
    """One job and what belongs to it."""

    job: Values
    attempts: list[Values]
    failed: Values | None
    tags: list[Values]


class Maker:
    """Makes jobs of any state around `now`; finished ones are spread over the `days` before it.

    Makers of different seeds make different jobs, so that several can share the work.
    """

    def __init__(
        self,
        now: dt.datetime,
        days: float,
        workers: list[int],
        moment: Callable[[float], str],
        seed: int | str,
    ) -> None:
        self._now = now.timestamp()
        self._span = days * 86_400
        self._workers = workers
        self._moment = moment
        self._random = random.Random(seed)
        self._shares = [share for _, _, share, _ in DEFINITIONS]
        self._rank = claim_rank(0, None)
        self._count = 0

    def jobs(self, state: str, count: int) -> Iterator[Made]:
        """So many jobs of a state, oldest first."""
        chosen = self._random.choices(DEFINITIONS, self._shares, k=1000)
        for place in range(count):
            definition = chosen[self._random.randrange(1000)]
            age = self._span * (1 - place / count)
            yield self._made(state, definition, self._now - age if state != "ready" else self._now)

    def noops(self, definition: str, numbers: Iterable[int]) -> Iterator[Made]:
        """Ready jobs that call a definition with each of these numbers."""
        for number in numbers:
            arguments = f'{{"args": [{number}], "kwargs": {{}}}}'
            job = self._job(definition, "default", "ready", self._now, arguments)
            yield Made(job, [], None, [])

    def _made(self, state: str, definition: tuple[str, str, int, float], at: float) -> Made:
        path, queue, _, typical = definition
        number = self._random.randrange(1, 2_000_000)
        arguments = f'{{"args": [], "kwargs": {{"pk": {number}, "language": "en"}}}}'
        job = self._job(path, queue, state, at, arguments)
        tags: list[Values] = []
        if number % 10 == 0:
            tags.append({"job_id": job["id"], "name": f"customer:{number % 5000}"})
        if state == "scheduled":
            job["due_at"] = self._moment(self._now + self._random.uniform(3600, 30 * 86_400))
        if state == "cancelled":
            job["finished_at"] = self._moment(at + 60)
        if state not in ("succeeded", "failed"):
            return Made(job, [], None, tags)
        spent = 3 if state == "failed" else 2 if number % 50 == 0 else 1
        attempts = list(self._attempts(job, state, at, typical, spent, number))
        failed = self._failed(job, attempts[-1]) if state == "failed" else None
        return Made(job, attempts, failed, tags)

    def _job(self, path: str, queue: str, state: str, at: float, arguments: str) -> Values:
        return {
            "id": self._id(at),
            "definition": path,
            "queue": queue,
            "state": state,
            "claim_rank": self._rank,
            "arguments": arguments,
            "enqueued_at": self._moment(at),
        }

    def _attempts(
        self, job: Values, state: str, at: float, typical: float, spent: int, number: int
    ) -> Iterator[Values]:
        """The attempts of a finished job, whose row takes its figures from them."""
        worker = self._workers[number % len(self._workers)]
        start = at + self._random.expovariate(2)
        for attempt in range(1, spent + 1):
            end = start + typical * self._random.lognormvariate(0, 0.5)
            succeeded = state == "succeeded" and attempt == spent
            record: Values = {
                "job_id": job["id"],
                "number": attempt,
                "fence": attempt,
                "worker_id": worker,
                "started_at": self._moment(start),
                "finished_at": self._moment(end),
                "outcome": "succeeded" if succeeded else "failed",
            }
            if not succeeded:
                record |= self._error(str(job["definition"]), number)
            yield record
            job |= {
                "attempts": attempt,
                "exceptions": attempt - succeeded,
                "fence": attempt,
                "worker_id": worker,
                "started_at": self._moment(start),
                "finished_at": self._moment(end),
            }
            start = end + 3 * attempt
        if state == "succeeded":
            job["result"] = f'{{"sent": true, "reference": {number}}}'

    def _error(self, path: str, number: int) -> Values:
        kind, message = ERRORS[number % len(ERRORS)]
        module, _, name = path.rpartition(".")
        told = TRACEBACK.format(
            path=module.replace(".", "/") + ".py",
            line=10 + number % 7,
            name=name,
            kind=kind,
            message=message,
        )
        return {"exception_class": kind, "message": message, "traceback": told}

    def _failed(self, job: Values, last: Values) -> Values:
        return {
            **{name: job[name] for name in ("definition", "queue", "arguments", "enqueued_at")},
            "id": self._id(self._now),
            "job_id": job["id"],
            "reason": "exception",
            "exception_class": last["exception_class"],
            "message": last["message"],
            "traceback": last["traceback"],
            "fingerprint": fingerprint_of(f"{job['definition']} {last['exception_class']}"),
            "attempts": last["number"],
            "worker_id": last["worker_id"],
            "failed_at": last["finished_at"],
        }

    def _id(self, at: float) -> str:
        """A UUIDv7 of that moment (RFC 9562, section 5.7), as hexadecimal digits."""
        self._count += 1
        random_part = self._random.getrandbits(60)
        return f"{int(at * 1000):012x}7{self._count & 0xFFF:03x}8{random_part:015x}"


def fingerprint_of(cause: str) -> str:
    """32 digits, the same for one cause in every process."""
    return blake2b(cause.encode(), digest_size=16).hexdigest()
