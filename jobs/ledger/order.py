"""The order of the claim: priority, then deadline or turn, as one number; age is the order of the
ids."""

from __future__ import annotations

import datetime as dt

LEVEL = 10**14
"""From one priority to the next."""
NO_DEADLINE = LEVEL - 1
"""Milliseconds since 1970: the year 5138, after every real deadline."""
TURNS = 10**12
"""Below are turns, from here on deadlines: milliseconds since 1970 from September 2001 on."""


def claim_rank(priority: int, deadline: dt.datetime | None) -> int:
    """Return the sort key of a job inside its queue; the smallest is claimed first.

    One narrow column serves both databases and both criteria: the fifteenth digit and above are
    `100 - priority`, the fourteen below are the deadline in milliseconds since 1970, or the job's
    turn where tenants share the queue; see `turns`. Among equal ranks the time-ordered id decides.
    """
    milliseconds = NO_DEADLINE
    if deadline is not None:
        milliseconds = min(max(int(deadline.timestamp() * 1000), TURNS), NO_DEADLINE)
    return first_rank(priority) + milliseconds


def first_rank(priority: int) -> int:
    """The smallest sort key of this priority."""
    return (100 - priority) * LEVEL
