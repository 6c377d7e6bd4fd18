"""The scope of a bulk operation: which failed jobs, as JSON that outlives the process."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from jobs.conf import settings as conf
from jobs.exceptions import InvalidOption
from jobs.failures import by_argument
from jobs.models import FailedJob
from jobs.models.failure import FailedJobQuerySet

Scope = dict[str, Any]
"""`{"all": true}`, or one or more of these keys, which narrow together: `queue`, `definition` (a
name or a list of them), `exception`, `fingerprint`, `arguments` (values by the names of
parameters), and `since` and `until` as ISO text."""

_FIELDS = {
    "queue": "queue",
    "definition": "definition__in",
    "exception": "exception_class",
    "fingerprint": "fingerprint",
    "since": "failed_at__gte",
    "until": "failed_at__lte",
}


def checked(scope: Mapping[str, Any]) -> Scope:
    """The scope in its one form, moments as ISO text with their offset.

    Raises InvalidOption for an unknown key, a wrong value, or a scope that says nothing: that all
    are meant must be said.
    """
    given = {key: value for key, value in scope.items() if value not in (None, "", [])}
    known = ("all", "arguments", *_FIELDS)
    for key in given:
        if key not in known:
            raise InvalidOption("scope", key, f"must be one of {', '.join(known)}")
    if not given:
        raise InvalidOption("scope", dict(scope), "must name failed jobs, or say all")
    if "all" in given:
        if given["all"] is not True:
            raise InvalidOption("all", given["all"], "must be true")
        if narrowing := sorted(given.keys() - {"all", "until"}):
            raise InvalidOption("all", True, f"does not go with {', '.join(narrowing)}")
    return {key: _checked_value(key, value) for key, value in given.items()}


def failed_jobs_in(scope: Mapping[str, Any]) -> FailedJobQuerySet:
    """The failed jobs of a scope that were not retried yet. Raises InvalidOption."""
    lookups = {
        _FIELDS[key]: [value] if key == "definition" and isinstance(value, str) else value
        for key, value in checked(scope).items()
        if key in _FIELDS
    }
    rows: FailedJobQuerySet = FailedJob.objects.using(conf.DATABASE).unretried().filter(**lookups)
    arguments = scope.get("arguments")
    return rows.filter(by_argument.having(arguments)) if arguments else rows


def _checked_value(key: str, value: Any) -> Any:
    if key == "all":
        return True
    if key == "arguments":
        return by_argument.checked(value)
    if key in ("since", "until"):
        return _moment(key, value)
    names = value if key == "definition" and isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str) or not name or "\x00" in name:
            raise InvalidOption(key, name, "must be text that is not empty, without NUL")
    return value


def _moment(key: str, value: Any) -> str:
    moment = value
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if not isinstance(moment, dt.datetime) or timezone.is_naive(moment):
        raise InvalidOption(key, value, "must be a moment with its offset")
    return moment.isoformat()
