"""Counting failures into their groups: one statement for all failures of a batch."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from jobs.conf import settings
from jobs.failures.fingerprint import cause_of
from jobs.ledger.moments import moment
from jobs.ledger.outcome import Outcome
from jobs.ledger.rows import storable

COLUMNS = {
    "fingerprint": "text",
    "exception_class": "text",
    "message": "text",
    "site": "text",
    "definition": "text",
    "queue": "text",
    "release": "text",
    "count": "bigint",
    "first_seen": "timestamptz",
    "last_seen": "timestamptz",
    "opening": "uuid",
}
"""What is told of each group, with its type on PostgreSQL."""

SITE_LENGTH = 300


def count_in(*, given: str, now: str, least: str, greatest: str) -> str:
    """The statement that counts failures into their groups and returns fingerprint and opening of
    each; `given` are the rows to read, the others are the database's words.

    A resolved group is opened by what failed after it was resolved, and a muted one once its time
    is over. In the order of their fingerprints, as every transaction takes groups in: two batches
    never wait for each other in a circle.
    """
    came_back = "(known.status = 'resolved' AND excluded.last_seen > known.resolved_at)"
    opens = f"({came_back} OR (known.status = 'muted' AND known.muted_until <= {now}))"
    names = ", ".join(COLUMNS)
    return f"""
INSERT INTO jobs_failuregroup AS known ({names}, status, reopened, resolved_by, note)
SELECT {names}, 'open', 0, '', ''
FROM {given}
ORDER BY fingerprint
ON CONFLICT (fingerprint) DO UPDATE SET
    count = known.count + excluded.count,
    first_seen = {least}(known.first_seen, excluded.first_seen),
    last_seen = {greatest}(known.last_seen, excluded.last_seen),
    reopened = known.reopened + CASE WHEN {came_back} THEN 1 ELSE 0 END,
    opening = CASE WHEN {opens} THEN excluded.opening ELSE known.opening END,
    muted_until = CASE WHEN {opens} THEN NULL ELSE known.muted_until END,
    release = CASE WHEN {opens} THEN excluded.release ELSE known.release END,
    status = CASE WHEN {opens} THEN 'open' ELSE known.status END
RETURNING fingerprint, opening
"""


def group_rows(
    outcomes: Iterable[Outcome], put: Callable[[dt.datetime | None], Any], opening: UUID
) -> list[dict[str, Any]]:
    """One row for each group that these failures belong to, in the order of their fingerprints.

    `put` formats a datetime for the database; `opening` names this opening of those it opens.
    """
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.failure is not None:
            found.setdefault(outcome.failure.fingerprint, []).append(outcome)
    rows = []
    for fingerprint, failures in sorted(found.items()):
        first = min(failures, key=lambda outcome: outcome.finished)
        cause = cause_of(first.exception_class, first.message, first.traceback)
        rows.append(
            {
                "fingerprint": fingerprint,
                "exception_class": cause.exception_class[:200],
                "message": storable(cause.message),
                "site": storable(cause.site)[:SITE_LENGTH],
                "definition": first.job.definition,
                "queue": first.job.queue,
                "release": settings.RELEASE,
                "count": len(failures),
                "first_seen": put(moment(first.finished)),
                "last_seen": put(moment(max(outcome.finished for outcome in failures))),
                "opening": opening.hex,
            }
        )
    return rows


def document_of(rows: list[dict[str, Any]]) -> str:
    """The rows as the JSON document that the statement reads."""
    return json.dumps(rows)
