"""From a function to its dotted path, and back: how old calls name what they run."""

from __future__ import annotations

import pydoc
from collections.abc import Callable
from typing import Any, cast

from asgiref.sync import async_to_sync, iscoroutinefunction

from jobs.compat import Task, get_module_path
from jobs.exceptions import InvalidOption


def path_of(field: str, function: Any) -> str:
    """Return the dotted path of a function; text is taken for one already.

    Raises InvalidOption, naming `field`, unless the path leads back to the very function: a lambda,
    a function inside another, a bound method of an instance or anything of `__main__` could not be
    found again by a worker.
    """
    if isinstance(function, str):
        return function
    target = function.func if _is_task(function) else function
    try:
        path = get_module_path(target)
    except AttributeError:
        path = ""
    if not path or path.startswith("__main__.") or not _leads_back(path, function):
        raise InvalidOption(
            field,
            function,
            "has no dotted path by which a worker could import it; "
            "use a function or a static or class method of a module",
        )
    return path


def load(path: str) -> Callable[..., Any]:
    """Return what an old call runs, by django-q2's rules for finding it.

    A job definition, or any task of the Tasks framework, is called as its plain function is; so
    is a coroutine function, in an event loop of its own. Raises ValueError if there is nothing of
    this name, and what the import raises.
    """
    found: Any = pydoc.locate(path)
    if found is None:
        raise ValueError(f"Function {path} is not defined")
    if _is_task(found):
        return cast("Callable[..., Any]", found.call)
    if iscoroutinefunction(found):
        return async_to_sync(found)
    if not callable(found):
        raise TypeError(f"{path} is a {type(found).__name__} and cannot be called")
    return cast("Callable[..., Any]", found)


def _is_task(value: Any) -> bool:
    # The cast hides from mypy that the class of the backport is generic.
    return isinstance(value, cast("type", Task))


def _leads_back(path: str, function: Any) -> bool:
    try:
        # Equality, since every access of a class method makes a new object.
        return bool(pydoc.locate(path) == function)
    except pydoc.ErrorDuringImport:
        return False
