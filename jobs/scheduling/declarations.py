"""What the code declares: each declaration of a schedule, checked and known by its name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs import registry
from jobs.arguments import Payload, encode
from jobs.compat import Task, get_module_path
from jobs.exceptions import InvalidOption
from jobs.models import GapRule, JobSchedule, MissedRule, OverlapRule

from .binding import rule_of
from .rules import RuleError
from .times import Cron, Every, Once

NAME_LENGTH = 150

_declarations: dict[str, Declaration] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A schedule as the code wants it; see `jobs.schedules.declare`."""

    name: str
    definition: Any
    rule: Cron | Every | Once
    arguments: Mapping[str, Any] | Sequence[Any] | None
    queue: str | None
    priority: int | None
    no_overlap: bool
    missed: str
    missed_limit: int
    grace: dt.timedelta
    jitter: dt.timedelta
    dst_gap: str
    dst_overlap: str
    enabled: bool
    notes: str
    module: str

    def __post_init__(self) -> None:
        self._check_text("name", self.name, NAME_LENGTH)
        if not self.name.strip():
            raise InvalidOption("schedule name", self.name, "must not be empty")
        self._check(
            "definition",
            isinstance(self.definition, str | Task),
            "must be a job definition, made by @job or @task, or the dotted path of one",
        )
        self._check(
            "rule", isinstance(self.rule, Cron | Every | Once), "must be a Cron, an Every or a Once"
        )
        is_call = self.arguments is None or (
            isinstance(self.arguments, Mapping | Sequence) and not isinstance(self.arguments, str)
        )
        self._check("arguments", is_call, "must be a mapping of keyword arguments, or a list")
        for field, rule in _WORDS.items():
            self._check(field, getattr(self, field) in rule, f"must be one of {', '.join(rule)}")
        for field in ("grace", "jitter"):
            value = getattr(self, field)
            valid = isinstance(value, dt.timedelta) and value >= dt.timedelta(0)
            self._check(field, valid, "must be a timedelta, not negative")
        for field in ("no_overlap", "enabled"):
            self._check(field, isinstance(getattr(self, field), bool), "must be True or False")
        self._check("missed_limit", _is_whole(self.missed_limit, 1), "must be at least 1")
        in_range = self.priority is None or _is_whole(self.priority, -100, 100)
        self._check("priority", in_range, "must be a whole number from -100 to 100")
        if self.queue is not None:
            self._check_text("queue", self.queue, 64)
        self._check_times()

    @property
    def path(self) -> str:
        """The dotted path of the definition."""
        if isinstance(self.definition, str):
            return self.definition
        return str(get_module_path(self.definition.func))

    def payload(self) -> Payload:
        """The arguments as the ledger stores them.

        Raises UnknownDefinition, and InvalidArguments if they do not fit the definition.
        """
        given: Any = self.arguments or {}
        args, kwargs = ((), given) if isinstance(given, Mapping) else (tuple(given), {})
        return encode(registry.get(self.path), args, kwargs)

    def values(self) -> dict[str, Any]:
        """The fields of the schedule that it declares.

        Raises UnknownDefinition or InvalidArguments.
        """
        return {**self._values(), "arguments": self.payload()}

    def _values(self) -> dict[str, Any]:
        return {
            "definition": self.path,
            "cron": "",
            "every": None,
            "run_at": None,
            **self.rule.values(),
            **{field: str(getattr(self, field)) for field in _WORDS},
            "missed_limit": self.missed_limit,
            "grace": self.grace,
            "no_overlap": self.no_overlap,
            "jitter": self.jitter,
            "queue": self.queue or "",
            "priority": self.priority,
            "enabled": self.enabled,
            "notes": self.notes,
        }

    def _check_times(self) -> None:
        try:
            rule_of(JobSchedule(name=self.name, **self._values()))
        except RuleError as error:
            raise InvalidOption(self._label(error.field), error.value, error.rule) from error

    def _check_text(self, field: str, value: Any, length: int) -> None:
        valid = isinstance(value, str) and len(value) <= length and "\x00" not in value
        self._check(field, valid, f"must be text of at most {length} characters")

    def _check(self, field: str, valid: bool, rule: str) -> None:
        if not valid:
            raise InvalidOption(self._label(field), getattr(self, field), rule)

    def _label(self, field: str) -> str:
        return f"schedule {self.name!r}: {field}"


_WORDS: dict[str, list[str]] = {
    "missed": MissedRule.values,
    "dst_gap": GapRule.values,
    "dst_overlap": OverlapRule.values,
}


def register(declaration: Declaration) -> None:
    """Know this declaration. Raises InvalidOption if the name is taken."""
    known = _declarations.setdefault(declaration.name, declaration)
    if known is not declaration:
        raise InvalidOption(
            "schedule name",
            declaration.name,
            f"is declared in {known.module} and again in {declaration.module}",
        )


def forget(name: str) -> None:
    """Take back a declaration, as tests do."""
    _declarations.pop(name, None)


def find(name: str) -> Declaration | None:
    """The declaration of this name, if there is one."""
    return _declarations.get(name)


def all() -> list[Declaration]:
    """All declarations, sorted by name."""
    return [_declarations[name] for name in sorted(_declarations)]


def _is_whole(value: Any, least: int, most: int | None = None) -> bool:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        return False
    return most is None or value <= most
