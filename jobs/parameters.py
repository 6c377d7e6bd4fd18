"""The parameters of a definition: whether a call fits its signature."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Union

from django.db.models import Model

from jobs.exceptions import InvalidArguments

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

MODEL_KEY = "$model"
"""The key that marks a stored model instance: `{"$model": "app.model", "pk": "7"}`."""


@cache
def signature_of(function: Callable[..., Any], takes_context: bool) -> inspect.Signature:
    """The signature of a call, type names resolved where they can be."""
    try:
        signature = inspect.signature(function, eval_str=True)
    except (NameError, TypeError, SyntaxError, AttributeError):
        # A name under TYPE_CHECKING: the parameters hold, their types stay text.
        signature = inspect.signature(function)
    if takes_context:
        parameters = list(signature.parameters.values())[1:]
        signature = signature.replace(parameters=parameters)
    return signature


def check(definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """See that a call fits the signature: the number and names of its arguments, and those types
    that are plain (str, int, float, bool, None, list, dict, Literal, models and their unions).

    Raises InvalidArguments, naming the parameter, the value and the rule.
    """
    signature = definition.signature
    for name, value in _bound(definition, signature, args, kwargs).items():
        parameter = signature.parameters[name]
        if parameter.annotation is inspect.Parameter.empty:
            continue
        match parameter.kind:
            case inspect.Parameter.VAR_POSITIONAL:
                given = [(f"{name}[{index}]", item) for index, item in enumerate(value)]
            case inspect.Parameter.VAR_KEYWORD:
                given = list(value.items())
            case _:
                given = [(name, value)]
        for label, item in given:
            if not fits(item, parameter.annotation):
                secret = name in definition.sensitive
                raise InvalidArguments(
                    definition.path,
                    label,
                    f"{'its value' if secret else shown(item)} is not "
                    f"{_type_name(parameter.annotation)}",
                    None if secret else item,
                )


def _bound(
    definition: JobDefinition,
    signature: inspect.Signature,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Mapping[str, Any]:
    """The values of a call by parameter."""
    plain = _plain_parameters(definition.func, definition.takes_context)
    if plain is not None:
        names, required = plain
        if not args and required <= kwargs.keys() <= set(names):
            return kwargs
        if not kwargs and len(required) <= len(args) <= len(names):
            return dict(zip(names, args, strict=False))
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise InvalidArguments(
            definition.path, "arguments", f"{error}; the signature is {definition.label}{signature}"
        ) from None


@cache
def _plain_parameters(
    function: Callable[..., Any], takes_context: bool
) -> tuple[tuple[str, ...], frozenset[str]] | None:
    """The names of all and of the required parameters, where each may be given by position and by
    name: then most calls need no binding, which costs more than all the rest."""
    signature = signature_of(function, takes_context)
    parameters = signature.parameters.values()
    if any(item.kind is not item.POSITIONAL_OR_KEYWORD for item in parameters):
        return None
    required = frozenset(item.name for item in parameters if item.default is item.empty)
    return tuple(signature.parameters), required


def positional_name(definition: JobDefinition, index: int) -> str:
    """The name of the parameter that takes the positional argument of this index."""
    parameters = [
        name
        for name, parameter in definition.signature.parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return parameters[index] if index < len(parameters) else f"args[{index}]"


def shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
    try:
        text = repr(value)
    except ValueError as error:
        # An integer of more digits than Python writes.
        return f"<{type(value).__name__}: {error}>"
    return text if len(text) <= 80 else f"{text[:77]}…"


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value may be passed for this annotation; an annotation that says nothing that can
    be checked takes everything."""
    if annotation is None or annotation is type(None):
        return value is None
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(fits(value, choice) for choice in typing.get_args(annotation))
    if origin is Literal:
        return any(
            value == choice and type(value) is type(choice)
            for choice in typing.get_args(annotation)
        )
    if origin in (list, Sequence):
        arguments = typing.get_args(annotation)
        return isinstance(value, list | tuple) and all(
            fits(item, arguments[0]) for item in value if arguments
        )
    if origin in (dict, Mapping):
        return isinstance(value, Mapping)
    if isinstance(annotation, type):
        return _fits_class(value, annotation)
    return True


def _fits_class(value: Any, expected: type) -> bool:
    if issubclass(expected, Model):
        stored = isinstance(value, Mapping) and value.get(MODEL_KEY) == expected._meta.label_lower
        return stored or isinstance(value, expected)
    if expected is bool:
        return isinstance(value, bool)
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if expected is str:
        return isinstance(value, str)
    if expected is list:
        return isinstance(value, list | tuple)
    if expected is dict:
        return isinstance(value, Mapping)
    return True


def _type_name(annotation: Any) -> str:
    return (
        annotation.__name__
        if isinstance(annotation, type)
        else str(annotation).replace("typing.", "")
    )
