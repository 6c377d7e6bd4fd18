"""System checks of limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from jobs import registry
from jobs.conf import settings as conf
from jobs.exceptions import InvalidDefinition
from jobs.execution.middleware.contract import gates_of
from jobs.limits.known import from_settings


def check_limits(**kwargs: Any) -> Iterable[CheckMessage]:
    """E005, W007, W008: what code and settings say of limits is valid, complete and consistent."""
    if conf.check():
        # E001 tells what is wrong first.
        return
    names = list(conf.LIMITS)
    for name in names:
        try:
            from_settings(name)
        except InvalidDefinition as error:
            hint = "See docs/middleware.md."
            yield Error(f"JOBS_LIMITS: {error}", hint=hint, id="jobs.E005")
    yield from _check_definitions(names)


def _check_definitions(in_settings: list[str]) -> Iterable[CheckMessage]:
    said: dict[str, tuple[str, dict[str, Any]]] = {}
    for definition in registry.all():
        for gate in gates_of(definition):
            name, declared = gate.limit_of(definition), gate.declared_for(definition)
            if declared is None:
                if name not in in_settings:
                    yield Warning(
                        f"{definition.path} names the limit {name!r}, and neither code nor "
                        "JOBS_LIMITS says how much it allows.",
                        hint=f'Give it a rate, or JOBS_LIMITS = {{"{name}": "60/m"}}.',
                        id="jobs.W008",
                    )
                continue
            other, facts = said.setdefault(name, (definition.path, declared.facts))
            if facts != declared.facts:
                yield Warning(
                    f"{definition.path} and {other} say different things of the limit {name!r}: "
                    "which of them holds depends on who runs last.",
                    hint="Say it in one place, such as JOBS_LIMITS.",
                    id="jobs.W007",
                )
