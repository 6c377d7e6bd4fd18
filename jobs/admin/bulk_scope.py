"""The filter of the list of failed jobs, as the scope of a bulk operation."""

from __future__ import annotations

import datetime as dt
from typing import Any

from jobs.admin import search
from jobs.admin.moments import moment_of
from jobs.admin.operations import Matching
from jobs.admin.periods import FailedAtFilter
from jobs.failures.scope import Scope

_SAME = ("queue", "exception", "fingerprint")


def scope_of(matching: Matching) -> Scope | None:
    """The scope of the failed jobs that the filter matches and that were not retried, up to the
    moment of its confirmation; None for a search that no scope can say, which is for one row.

    The filter is one that the list has taken, so its values are valid.
    """
    given, until = matching.filters, matching.until
    scope: dict[str, Any] = {name: given[name] for name in _SAME if given.get(name)}
    if end := given.get("to"):
        until = min(until, moment_of(end))
    if since := _since(matching):
        scope["since"] = since
    if definition := given.get("definition"):
        scope["definition"] = [definition]
    if text := matching.search.strip():
        found = search.scope_of_failed_jobs(text)
        if found is None or not _narrow(scope, found):
            return None
    return {**(scope or {"all": True}), "until": until}


def _narrow(scope: dict[str, Any], found: Scope) -> bool:
    """Narrow the scope by what a search is for; False if no row is both."""
    for key, value in found.items():
        before = scope.get(key)
        if key == "definition" and before is not None:
            value = [name for name in value if name in before]
        if not value or (key != "definition" and before not in (None, value)):
            return False
        scope[key] = value
    return True


def _since(matching: Matching) -> dt.datetime | None:
    given = matching.filters
    lengths = {value: length for value, _, length in FailedAtFilter.periods}
    starts = []
    if period := given.get("period"):
        starts.append(matching.until - lengths[period])
    if start := given.get("from"):
        starts.append(moment_of(start))
    return max(starts, default=None)
