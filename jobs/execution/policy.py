"""The policy of one call: what its definition declares, and what the call overrides."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jobs import registry
from jobs.conf import Pool, settings
from jobs.execution.middleware.contract import gates_of, in_line
from jobs.options import UNSET

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition
    from jobs.ledger.outcome import ClaimedJob

OVERRIDABLE = (
    "max_attempts", "max_exceptions", "backoff", "timeout", "fail_on_timeout", "on_crash",
    "max_crashes", "delivery", "discard_when_missing",
)  # fmt: skip
"""The options that a row keeps where a call differs from its declaration."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides after an attempt; see `JobDefinition` for each."""

    max_attempts: int | None = 1
    max_exceptions: int | None = None
    backoff: Any = None
    timeout: float | None = None
    fail_on_timeout: bool = False
    on_crash: str = "retry"
    max_crashes: int = 3
    delivery: str = "at_least_once"
    discard_when_missing: bool = False
    gated: bool = False
    """Whether it has gates, or others may wait for its end: see `jobs.execution.middleware`."""

    @classmethod
    def of(
        cls, definition: JobDefinition | None, options: dict[str, Any], pool: Pool | None
    ) -> Policy:
        """The policy of a job with these options; of an unknown definition, the defaults."""
        values = {name: getattr(definition, name) for name in OVERRIDABLE if definition is not None}
        values |= {name: options[name] for name in OVERRIDABLE if name in options}
        if isinstance(values.get("backoff"), list):
            values["backoff"] = tuple(values["backoff"])
        if values.get("timeout", UNSET) is UNSET:
            values["timeout"] = pool.timeout if pool is not None else None
        if values.get("max_crashes") is None:
            values["max_crashes"] = settings.MAX_CRASHES
        gated = definition is not None and bool(gates_of(definition) or in_line(definition))
        return cls(**values, gated=gated)

    @property
    def may_repeat(self) -> bool:
        """Whether the job may start again after its worker died."""
        return self.on_crash == "retry" and self.delivery != "at_most_once"


class Policies:
    """The policies of the jobs that a pool runs; those of a definition's plain calls are worked
    out once."""

    def __init__(self, pool: Pool | None) -> None:
        self._pool = pool
        self._plain: dict[str, Policy] = {}

    def of(self, job: ClaimedJob) -> Policy:
        """The policy of a claimed job."""
        known = self._plain.get(job.definition)
        if known is not None and not job.options:
            return known
        definition = registry.find(job.definition)
        policy = Policy.of(definition, job.options, self._pool)
        if definition is not None and not job.options:
            self._plain[job.definition] = policy
        return policy


def overrides_of(definition: JobDefinition) -> dict[str, Any]:
    """The options of a copy made by `.using()` that differ from the declaration, as JSON."""
    if definition.declared:
        return {}
    declared = registry.get(definition.path)
    found: dict[str, Any] = {}
    for name in OVERRIDABLE:
        value = getattr(definition, name)
        if value != getattr(declared, name) and value is not UNSET:
            found[name] = list(value) if isinstance(value, tuple) else value
    if definition.run_after is not None:
        # Needed to give back the very task that was enqueued: due_at changes with retries.
        found["run_after"] = definition.run_after.isoformat()
    if definition.takes_context != declared.takes_context:
        found["takes_context"] = definition.takes_context
    if definition.backend != declared.backend:
        found["backend"] = definition.backend
    return found


def restore(name: str, options: dict[str, Any], *, queue: str, priority: int) -> JobDefinition:
    """The definition as it was for one call: the declared one with its row's overrides.

    Raises UnknownDefinition if it is no longer registered.
    """
    declared = registry.get(name)
    changes: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in options.items()
        if key in (*OVERRIDABLE, "takes_context", "backend")
    }
    if "run_after" in options:
        changes["run_after"] = dt.datetime.fromisoformat(options["run_after"])
    changes |= {"queue_name": queue, "priority": priority}
    if all(getattr(declared, key) == value for key, value in changes.items()):
        return declared
    return replace(declared, declared=False, **changes)
