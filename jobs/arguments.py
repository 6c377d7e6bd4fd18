"""Arguments and results: checked against the signature, encoded as JSON, and decoded again.

A model instance is stored as its key, `{"$model": "app.model", "pk": 7}`, and fetched again when
the job starts, so that a job sees the row as it is then.
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union

from django.apps import apps
from django.db.models import Model

from jobs.compat import normalize_json
from jobs.exceptions import InvalidArguments, MissingObject

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

MODEL_KEY = "$model"

_SURROGATE = re.compile("[\ud800-\udfff]")

Payload = dict[str, Any]
"""`{"args": […], "kwargs": {…}}`, as in `Job.arguments`."""


def encode(definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Payload:
    """Check the arguments of a call and return them as the JSON that the ledger stores.

    Raises InvalidArguments, naming the parameter, the value and the rule.
    """
    check(definition, args, kwargs)
    return {
        "args": [
            _encode(definition, _positional_name(definition, index), value)
            for index, value in enumerate(args)
        ],
        "kwargs": {name: _encode(definition, name, value) for name, value in kwargs.items()},
    }


def check(definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """See that a call fits the signature: the number and names of its arguments, and those types
    that are plain (str, int, float, bool, None, list, dict, Literal, models and their unions)."""
    signature = definition.signature
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise InvalidArguments(
            definition.path, "arguments", f"{error}; the signature is {definition.label}{signature}"
        ) from None
    for name, value in bound.arguments.items():
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
            if not _fits(item, parameter.annotation):
                raise InvalidArguments(
                    definition.path,
                    label,
                    f"{_shown(item)} is not {_type_name(parameter.annotation)}",
                    item,
                )


def check_payload(definition: JobDefinition, payload: Payload) -> Payload:
    """Check arguments that are JSON already, such as those of a form or a retry.

    Raises InvalidArguments. A stored model key passes for the model.
    """
    if not isinstance(payload, Mapping) or not set(payload) <= {"args", "kwargs"}:
        raise InvalidArguments(
            definition.path, "arguments", 'must be {"args": […], "kwargs": {…}}', payload
        )
    args, kwargs = payload.get("args", []), payload.get("kwargs", {})
    if not isinstance(args, Sequence) or isinstance(args, str):
        raise InvalidArguments(definition.path, "args", f"{_shown(args)} is not a list", args)
    if not isinstance(kwargs, Mapping):
        raise InvalidArguments(
            definition.path, "kwargs", f"{_shown(kwargs)} is not an object", kwargs
        )
    return encode(definition, args, kwargs)


def decode(payload: Payload) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call, model instances fetched.

    Raises MissingObject if one is gone.
    """
    args, kwargs = payload.get("args", []), payload.get("kwargs", {})
    return [_decode(value) for value in args], {name: _decode(kwargs[name]) for name in kwargs}


def encode_result(value: Any) -> Any:
    """Return what a job returned as plain JSON values.

    Raises TypeError for what JSON cannot hold.
    """
    # The commonest results need no walk.
    if value is None or value is True or value is False or type(value) is int:
        return value
    try:
        return _plain(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"The result cannot be stored as JSON: {error}") from error


def _plain(value: Any) -> Any:
    # The round trip turns keys into text and refuses NaN, which the framework's own walk lets by.
    plain = json.loads(json.dumps(normalize_json(value), allow_nan=False))
    if not _is_storable(plain):
        raise ValueError("text with a NUL character (\\x00) or a lone surrogate cannot be stored")
    return plain


def _is_storable(value: Any) -> bool:
    if isinstance(value, str):
        # What PostgreSQL's jsonb refuses; isascii() spares most text the search.
        return "\x00" not in value and (value.isascii() or not _SURROGATE.search(value))
    if isinstance(value, list):
        return all(_is_storable(item) for item in value)
    if isinstance(value, dict):
        return all(_is_storable(key) and _is_storable(item) for key, item in value.items())
    return True


def _encode(definition: JobDefinition, name: str, value: Any) -> Any:
    try:
        return _plain(_keys_of_models(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArguments(
            definition.path, name, f"{_shown(value)} cannot be stored as JSON: {error}", value
        ) from None


def _keys_of_models(value: Any) -> Any:
    if isinstance(value, Model):
        if value.pk is None:
            raise ValueError(f"the {value._meta.label} is not saved, so it has no key")
        return {MODEL_KEY: value._meta.label_lower, "pk": value._meta.pk.value_to_string(value)}
    if isinstance(value, list | tuple):
        return [_keys_of_models(item) for item in value]
    if isinstance(value, dict):
        return {key: _keys_of_models(item) for key, item in value.items()}
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == {MODEL_KEY, "pk"}:
            return _fetch(value[MODEL_KEY], value["pk"])
        return {key: _decode(item) for key, item in value.items()}
    return value


def _fetch(label: str, pk: Any) -> Model:
    try:
        model = apps.get_model(label)
    except LookupError:
        raise MissingObject(label, pk) from None
    try:
        found: Model = model._base_manager.get(pk=pk)
    except model.DoesNotExist:
        raise MissingObject(model._meta.label, pk) from None
    return found


def _positional_name(definition: JobDefinition, index: int) -> str:
    parameters = [
        name
        for name, parameter in definition.signature.parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return parameters[index] if index < len(parameters) else f"args[{index}]"


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value may be passed for this annotation; an annotation that says nothing that can
    be checked takes everything."""
    if annotation is None or annotation is type(None):
        return value is None
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return any(_fits(value, choice) for choice in typing.get_args(annotation))
    if origin is Literal:
        return any(
            value == choice and type(value) is type(choice)
            for choice in typing.get_args(annotation)
        )
    if origin in (list, Sequence):
        arguments = typing.get_args(annotation)
        return isinstance(value, list | tuple) and all(
            _fits(item, arguments[0]) for item in value if arguments
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


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
