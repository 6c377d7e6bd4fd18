"""What a test names a job by: its definition, a function that `async_task` calls, or a path."""

from __future__ import annotations

import inspect
import pydoc
from typing import Any

from jobs import registry
from jobs.compat import Task, get_module_path
from jobs.exceptions import InvalidOption, UnknownDefinition
from jobs.parameters import signature_of


def name_of(target: Any) -> str:
    """The dotted path of a job definition, a task, or a function.

    Raises UnknownDefinition for text that is the path of none, so that no assertion holds because
    of a slip of the pen.
    """
    if isinstance(target, Task):  # type: ignore[misc]
        return str(get_module_path(target.func))
    if isinstance(target, str):
        if registry.find(target) is None and _function(target) is None:
            raise UnknownDefinition(target)
        return target
    if not hasattr(target, "__qualname__"):
        raise InvalidOption("definition", target, "must be a job definition or its dotted path")
    return str(get_module_path(target))


def signature_for(name: str) -> inspect.Signature | None:
    """The signature of the job or function of this name; None if it has none."""
    definition = registry.find(name)
    if definition is not None:
        return definition.signature
    function = _function(name)
    try:
        return signature_of(function, False) if function is not None else None
    except ValueError:
        # Of a built-in function.
        return None


def _function(path: str) -> Any:
    found = pydoc.locate(path)
    return found if callable(found) else None
