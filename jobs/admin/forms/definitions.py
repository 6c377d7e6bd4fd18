"""The choice of a job definition: from the registry, never a free dotted path."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from jobs import registry
from jobs.definitions import JobDefinition


def offered(text: str = "") -> list[tuple[str, list[JobDefinition]]]:
    """What an operator may dispatch or schedule, by module; with a text, where it occurs in the
    name or the summary."""
    wanted = text.strip().lower()
    found = [
        definition
        for definition in registry.dispatchable()
        if wanted in definition.path.lower() or wanted in definition.summary.lower()
    ]
    return [(module, list(group)) for module, group in groupby(found, key=module_of)]


def module_of(definition: JobDefinition) -> str:
    """The module in which the job is written."""
    return definition.path.rpartition(".")[0]


def choices(kept: str = "") -> list[tuple[str, Any]]:
    """Grouped choices for a select. `kept` is one that stays although it is not offered."""
    groups: list[tuple[str, Any]] = [
        (module, [(definition.path, definition.label) for definition in group])
        for module, group in offered()
    ]
    known = {path for _, options in groups for path, _ in options}
    if kept and kept not in known:
        groups.append(("Not offered", [(kept, kept)]))
    return [("", "---------"), *groups]
