"""Job definitions: `@job` and its options."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, overload
from uuid import UUID

from django.conf import settings as django_settings
from django.utils.module_loading import import_string

from jobs import registry
from jobs.compat import Task, get_module_path
from jobs.exceptions import InvalidDefinition
from jobs.execution.recover import Recover
from jobs.options import UNSET, normalized
from jobs.parameters import signature_of

if TYPE_CHECKING:
    from jobs.dispatch import Call
    from jobs.workflows.signatures import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefinition(Task):
    """A decorated function and its policy: a task of the Tasks framework with these options.

    Durations are seconds (int or float) or `timedelta`. `.using()` takes every option but the
    callables, which belong to the declaration.
    """

    max_attempts: int | None = 1
    """How often a job may be attempted, releases included; None is no limit."""
    max_exceptions: int | None = None
    """How many attempts may end in an exception; releases do not count."""
    backoff: Any = None
    """The wait before a retry: seconds, a list, a callable, a `Backoff`; None is `Backoff()`."""
    timeout: Any = UNSET
    """Seconds an attempt may take; None is no limit; not given is the pool's."""
    fail_on_timeout: bool = False
    """Whether a timeout fails the job for good."""
    retry_until: Any = None
    """No attempt starts after this: a time, or a duration counted from enqueueing."""
    retry_on: tuple[type[BaseException], ...] = ()
    """If given, only these exceptions are retried."""
    discard_on: tuple[type[BaseException], ...] = ()
    """These exceptions cancel the job quietly."""
    should_retry: Callable[[BaseException], bool] | None = None
    """Asked before a retry; False fails the job for good."""
    deadline: Any = None
    """When the job should be done, a time or a duration from enqueueing: earliest first."""
    tags: Any = ()
    """Words to find the job by: a list, or a callable of the job's arguments that returns one."""
    tenant: Any = ""
    """For whom the jobs are, where tenants share a queue (JOBS_FAIR_QUEUES): text, or a callable of
    the job's arguments that returns text, a whole number or None."""
    sensitive: tuple[str, ...] = ()
    """Names of parameters whose values are encrypted in the ledger and masked wherever anybody
    looks; see `jobs.privacy.coverage`."""
    on_failure: Callable[..., Any] | None = None
    """Called with the exception, once, when the job has failed for good."""
    discard_when_missing: bool = False
    """Whether a job ends quietly when a model instance among its arguments is gone."""
    on_crash: str = "retry"
    """What follows the death of the worker: `retry`, up to `max_crashes`, or `fail`."""
    max_crashes: int | None = None
    """Quarantine after so many crashes; None is JOBS_MAX_CRASHES."""
    delivery: str = "at_least_once"
    """`at_most_once`: one attempt, and none after a crash."""
    middleware: Any = ()
    """What stands around the execution: gates such as `RateLimited`, and callables of the current
    job and what is to be done; the first is the outermost."""
    recover: Recover | None = None
    """The rule by which a job that failed for good runs again by itself; None is never."""
    internal: bool = False
    """Whether it serves other jobs, and is not offered to operators."""
    declared: bool = field(default=True, compare=False, repr=False)
    """False on the copies that `.using()` makes."""

    def __post_init__(self) -> None:
        for name, value in normalized(self).items():
            object.__setattr__(self, name, value)
        # Not super(): a slotted dataclass is made anew, and the zero-argument form loses its class.
        Task.__post_init__(self)
        if self.declared:
            registry.register(self)

    @property
    def path(self) -> str:
        """The dotted path by which the ledger knows this definition."""
        return str(get_module_path(self.func))

    @property
    def label(self) -> str:
        """The function's name, without its module."""
        return self.func.__name__

    @property
    def signature(self) -> inspect.Signature:
        """Of the call, without the `context` that the runner gives."""
        return signature_of(self.func, self.takes_context)

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.func) or "").partition("\n")[0]

    def using(self, **options: Any) -> JobDefinition:
        """Return a copy with other options, for one call or several.

        Raises InvalidDefinition for an unknown option, with the nearest known one, and for an
        option that belongs to the declaration.
        """
        changes = {}
        for name, value in options.items():
            _check_option_name(name)
            if name in _DECLARATION_ONLY or (
                callable(value) and name in ("backoff", "tags", "tenant")
            ):
                raise InvalidDefinition(f"{name}: can only be given where the job is declared")
            # None leaves the framework's own options as they were, as `Task.using` does.
            if value is None and name in _FRAMEWORK_OPTIONS:
                continue
            changes[name] = value
        return replace(self, declared=False, **changes)

    def s(self, /, *args: Any, **kwargs: Any) -> Signature:
        """A call of this definition, to be put into a chain, a batch or a workflow."""
        from jobs.workflows.signatures import Signature

        return Signature(self, args, kwargs)

    def enqueue_many(self, calls: Iterable[Call]) -> list[UUID]:
        """Enqueue one job for each call, all or none; return their ids, in the order of the calls.

        A call is a dict of keyword arguments, a tuple of positional ones, or a single value. All
        are checked before any is inserted. Raises InvalidArguments.
        """
        from jobs import dispatch

        return dispatch.enqueue_many(self, calls)

    def __reduce__(self) -> Any:
        options = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name != "func" and item.name in _PICKLED and item.name not in _DECLARATION_ONLY
        }
        return _restore_definition, (self.path, options)


def _restore_definition(path: str, options: dict[str, Any]) -> JobDefinition:
    declared: JobDefinition = import_string(path)
    return replace(declared, declared=False, **options)


_FRAMEWORK_OPTIONS = ("priority", "queue_name", "run_after", "backend")
_DECLARATION_ONLY = frozenset(
    (
        "func",
        "should_retry",
        "on_failure",
        "middleware",
        "takes_context",
        "recover",
        "internal",
        "declared",
        "sensitive",
    )
)
_PICKLED = frozenset(item.name for item in fields(JobDefinition))


def _check_option_name(name: str) -> None:
    if name not in _PICKLED:
        near = difflib.get_close_matches(name, _PICKLED - {"func", "declared"}, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise InvalidDefinition(f"unknown option {name!r}{hint}")


def _backend_alias() -> str:
    """The alias of the back end that runs jobs: "default" unless only another one is ours."""
    from jobs.backend import LedgerBackend

    for alias, params in (getattr(django_settings, "TASKS", None) or {}).items():
        found = import_string(params["BACKEND"])
        if isinstance(found, type) and issubclass(found, LedgerBackend):
            return str(alias)
    return "default"


@overload
def job(function: Callable[..., Any], /) -> JobDefinition: ...


@overload
def job(**options: Any) -> Callable[[Callable[..., Any]], JobDefinition]: ...


def job(
    function: Callable[..., Any] | None = None, /, **options: Any
) -> JobDefinition | Callable[[Callable[..., Any]], JobDefinition]:
    """Declare a job definition: `@job`, or `@job(queue_name="webhooks", max_attempts=10)`.

    Takes the options of `JobDefinition` and returns one. Raises InvalidDefinition for an unknown
    or invalid option, naming it, its value and the rule.
    """

    def declare(target: Callable[..., Any]) -> JobDefinition:
        for name in options:
            _check_option_name(name)
        return JobDefinition(**{"backend": _backend_alias(), **options, "func": target})

    return declare if function is None else declare(function)
