"""Arguments as they may be shown: a mask in the place of each sensitive value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobs import registry
from jobs.privacy.coverage import coverage_of
from jobs.privacy.encryption import is_sealed

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

MASK = "********"


def masked(definition: JobDefinition | str | None, payload: Any) -> Any:
    """The arguments of a call, `{"args": […], "kwargs": {…}}`, as they may be shown.

    Masked is what is encrypted, wherever it lies, and what the definition calls sensitive, also
    where it was stored before that. The definition may be its dotted path; an unknown one calls
    nothing sensitive.
    """
    found = registry.find(definition) if isinstance(definition, str) else definition
    shown = without_sealed(payload)
    if found is None or not found.sensitive or not isinstance(shown, dict):
        return shown
    covered = coverage_of(found)
    args, kwargs = shown.get("args"), shown.get("kwargs")
    if isinstance(args, list):
        shown["args"] = [MASK if covered.at(index) else item for index, item in enumerate(args)]
    if isinstance(kwargs, dict):
        shown["kwargs"] = {
            name: MASK if covered.named(name) else item for name, item in kwargs.items()
        }
    return shown


def without_sealed(value: Any) -> Any:
    """A JSON value with a mask in the place of everything encrypted in it."""
    if isinstance(value, list | tuple):
        return [without_sealed(item) for item in value]
    if isinstance(value, Mapping):
        if is_sealed(value):
            return MASK
        return {name: without_sealed(item) for name, item in value.items()}
    return value


def has_sensitive(definition: JobDefinition | str | None, payload: Any) -> bool:
    """Whether `masked` hides anything of these arguments."""
    return bool(masked(definition, payload) != payload)
