"""Which values of a call are sensitive, by the names of parameters that its definition gives."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jobs.exceptions import InvalidDefinition

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The sensitive values of the calls of one definition.

    The name of `*args` covers all values beyond the parameters that have a name, and the name of
    `**kwargs` all that are given by a name which is no parameter's.
    """

    places: tuple[bool, ...]
    """For each parameter that can be given by position, whether it is sensitive."""
    rest: bool
    names: frozenset[str]
    parameters: frozenset[str]
    others: bool

    def at(self, index: int) -> bool:
        """Whether the positional argument of this index is sensitive."""
        return self.places[index] if index < len(self.places) else self.rest

    def named(self, name: str) -> bool:
        """Whether the keyword argument of this name is sensitive."""
        return name in self.names or (self.others and name not in self.parameters)

    def values(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """The sensitive ones among these arguments."""
        return [
            *(value for index, value in enumerate(args) if self.at(index)),
            *(value for name, value in kwargs.items() if self.named(name)),
        ]


def coverage_of(definition: JobDefinition) -> Coverage:
    """What the definition covers; worked out once."""
    return _coverage(definition.func, definition.takes_context, definition.sensitive)


def covers(definition: JobDefinition, label: str) -> bool:
    """Whether an error that names an argument so is about a sensitive one: a keyword, or `args[2]`
    for a positional one without a name."""
    if not definition.sensitive:
        return False
    covered = coverage_of(definition)
    return covered.rest if label.startswith("args[") else covered.named(label)


def checked_names(value: Any, function: Callable[..., Any], takes_context: bool) -> tuple[str, ...]:
    """The option `sensitive` in its one form.

    Raises InvalidDefinition unless it is a list of names of the function's parameters, and for an
    unknown one with the nearest that there is.
    """
    if not isinstance(value, list | tuple | set | frozenset):
        raise InvalidDefinition(f"sensitive: {value!r} must be a list of names of parameters")
    known = _parameters(function, takes_context)
    for name in value:
        if not isinstance(name, str) or name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
            )
            raise InvalidDefinition(
                f"sensitive: {name!r} is no parameter of {function.__qualname__}; {hint}"
            )
    # In the order of the signature, so that equal options are equal.
    return tuple(name for name in known if name in value)


def _parameters(function: Callable[..., Any], takes_context: bool) -> list[str]:
    # Not `signature_of`, which resolves annotations and keeps the result: where the job is
    # declared, names that they use may come later in the module.
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError) as error:
        raise InvalidDefinition(f"sensitive: {function!r} has no signature: {error}") from error
    return names[1:] if takes_context else names


@cache
def _coverage(
    function: Callable[..., Any], takes_context: bool, sensitive: tuple[str, ...]
) -> Coverage:
    parameters = list(inspect.signature(function).parameters.values())[int(takes_context) :]
    kinds = {item.kind: item.name for item in parameters}
    others = kinds.get(inspect.Parameter.VAR_KEYWORD)
    return Coverage(
        places=tuple(item.name in sensitive for item in parameters if item.kind in POSITIONAL),
        rest=kinds.get(inspect.Parameter.VAR_POSITIONAL) in sensitive,
        names=frozenset(name for name in sensitive if name != others),
        parameters=frozenset(
            item.name
            for item in parameters
            if item.kind not in (item.POSITIONAL_ONLY, item.VAR_POSITIONAL, item.VAR_KEYWORD)
        ),
        others=others in sensitive,
    )
