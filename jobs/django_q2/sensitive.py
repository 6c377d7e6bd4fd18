"""Old calls of job definitions with sensitive arguments: encrypted as those of `enqueue` are.

django-q2 itself keeps arguments readable where it has a place of its own for them: in the table of
its schedules, and in the cache for `async_iter`. Such calls are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django_q.brokers import Broker

from jobs import arguments, registry
from jobs.exceptions import InvalidArguments
from jobs.privacy.coverage import coverage_of
from jobs.privacy.encryption import is_sealed
from jobs.privacy.scrubbing import Scrubber

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

READABLE = (
    "has sensitive arguments, which a schedule of django-q2 would keep readable; use a schedule of "
    "jobs instead"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """The plain arguments of an old call, and what keeps them out of all that is stored of it."""

    args: list[Any]
    kwargs: dict[str, Any]
    scrub: Scrubber


@lru_cache(maxsize=1024)
def definition_of(func: str) -> JobDefinition | None:
    """The job definition of this path, if it has sensitive arguments."""
    definition = registry.find(func)
    return definition if definition is not None and definition.sensitive else None


def sealed(
    definition: JobDefinition,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    task: Mapping[str, Any],
    key: str,
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call as JSON, the sensitive ones encrypted.

    Raises InvalidArguments if they do not fit the definition, and for a call of `async_iter`, whose
    arguments it removes from the cache; and EncryptionUnavailable.
    """
    if task.get("iter_count"):
        cache = Broker.get_cache()
        if cache is not None:
            cache.delete(f"{key}:{task.get('group')}:args")
        raise InvalidArguments(
            definition.path,
            "arguments",
            "some are sensitive, and async_iter would keep them readable in the cache",
        )
    payload = arguments.check_payload(definition, {"args": list(args), "kwargs": dict(kwargs)})
    return payload["args"], payload["kwargs"]


def opened(func: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Opened | None:
    """The plain arguments of a call; None if it has no sensitive ones. Raises Undecryptable."""
    definition = definition_of(func)
    if definition is None and not _has_sealed(args, kwargs):
        return None
    guard = _Guard()
    plain_args, plain_kwargs = arguments.decode({"args": args, "kwargs": kwargs}, guard)
    if definition is not None:
        for value in coverage_of(definition).values(plain_args, plain_kwargs):
            guard.protect(value)
    return Opened(plain_args, plain_kwargs, guard.scrub)


def refuse_sealed(func: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise InvalidArguments for a call with sensitive arguments: workers of django-q2's own would
    keep them readable in its table."""
    if _has_sealed(args, kwargs):
        raise InvalidArguments(
            func, "arguments", "some are sensitive, so that only a cluster of jobs may run the call"
        )


def _has_sealed(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    return any(map(is_sealed, (*args, *kwargs.values())))


class _Guard:
    def __init__(self) -> None:
        self.scrub = Scrubber()

    def protect(self, value: Any) -> None:
        self.scrub.add(value)
