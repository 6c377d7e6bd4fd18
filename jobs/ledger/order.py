"""The order of the claim: priority, then deadline, as one number; age is the order of the ids."""

from __future__ import annotations

import datetime as dt

NO_DEADLINE = 10**14 - 1
"""Milliseconds since 1970: the year 5138, after every real deadline."""


def claim_rank(priority: int, deadline: dt.datetime | None) -> int:
    """Return the sort key of a job inside its queue; the smallest is claimed first.

    One narrow column serves both databases and both criteria: the fifteenth digit and above are
    `100 - priority`, the fourteen below are the deadline in milliseconds since 1970. Among equal
    ranks the time-ordered id decides.
    """
    milliseconds = NO_DEADLINE
    if deadline is not None:
        milliseconds = min(max(int(deadline.timestamp() * 1000), 0), NO_DEADLINE)
    return (100 - priority) * 10**14 + milliseconds
