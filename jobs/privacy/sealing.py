"""Whole calls: their sensitive values encrypted, and plain again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobs.privacy import encryption
from jobs.privacy.coverage import coverage_of
from jobs.privacy.encryption import is_sealed

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition


def sealed(definition: JobDefinition, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, JSON already, with every sensitive value encrypted that is not yet.

    Raises EncryptionUnavailable where nothing can be encrypted: a value is never stored plainly
    instead.
    """
    covered = coverage_of(definition)
    result = dict(payload)
    if payload.get("args"):
        result["args"] = [
            encryption.seal(value) if covered.at(index) and not is_sealed(value) else value
            for index, value in enumerate(payload["args"])
        ]
    if payload.get("kwargs"):
        result["kwargs"] = {
            name: encryption.seal(value) if covered.named(name) and not is_sealed(value) else value
            for name, value in payload["kwargs"].items()
        }
    return result


def opened(value: Any) -> Any:
    """A JSON value with everything encrypted in it plain again. Raises Undecryptable."""
    if isinstance(value, list | tuple):
        return [opened(item) for item in value]
    if isinstance(value, Mapping):
        if is_sealed(value):
            return encryption.unseal(value)
        return {name: opened(item) for name, item in value.items()}
    return value
