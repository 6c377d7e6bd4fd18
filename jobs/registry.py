"""What this site can run: every decorated function, by its dotted path."""

from __future__ import annotations

import difflib
import logging
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

from jobs.compat import Task
from jobs.exceptions import UnknownDefinition

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

_definitions: dict[str, JobDefinition] = {}

logger = logging.getLogger("jobs")


def register(definition: JobDefinition) -> None:
    """Know this definition. A copy made by `.using()` does not replace what was declared."""
    known = _definitions.get(definition.path)
    if known is None or known.func is not definition.func:
        _definitions[definition.path] = definition


def registered(name: str) -> JobDefinition | None:
    """Return the definition if it is known already; for a name that comes with a request, which
    must not choose what is imported."""
    return _definitions.get(name)


def find(name: str) -> JobDefinition | None:
    """Return the definition, importing its module if need be; None if there is none.

    Only what a decorator made is returned, so a name from the database cannot reach other code.
    """
    known = _definitions.get(name)
    if known is not None:
        return known
    # The import takes a name that starts with a dot for a relative one, and raises TypeError.
    if any(not part.isidentifier() for part in name.split(".")):
        return None
    try:
        found = import_string(name)
    except (ImportError, ValueError):
        return None
    except Exception:
        # A module with an error in it: to this process its jobs are unknown, and no more than that.
        logger.exception("%s: its module cannot be imported", name)
        return None
    if not isinstance(found, Task):  # type: ignore[misc]
        return None
    return _definitions.get(name) or adopt(found)


def adopt(task: Task) -> JobDefinition:
    """Register a plain `Task`, such as one declared for another back end of the same framework."""
    from jobs.definitions import JobDefinition

    if isinstance(task, JobDefinition):
        register(task)
        return task
    definition = JobDefinition(
        func=task.func,
        priority=task.priority,
        queue_name=task.queue_name,
        backend=task.backend,
        takes_context=task.takes_context,
    )
    return _definitions[definition.path]


def get(name: str) -> JobDefinition:
    """Return the definition.

    Raises UnknownDefinition if there is none: with the one whose function has this name, else with
    the nearest name.
    """
    found = find(name)
    if found is None:
        same_function = [known for known in names() if known.rpartition(".")[2] == name]
        near = same_function or difflib.get_close_matches(name, _definitions, n=1)
        raise UnknownDefinition(name, near[0] if near else "")
    return found


def names() -> list[str]:
    """The names of all registered definitions, sorted."""
    return sorted(_definitions)


def all() -> list[JobDefinition]:
    """All registered definitions, sorted by name."""
    return [_definitions[name] for name in names()]


def dispatchable() -> list[JobDefinition]:
    """The definitions that an operator may dispatch or schedule, sorted by name."""
    return [definition for definition in all() if not definition.internal]
