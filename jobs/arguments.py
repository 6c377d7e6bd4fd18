"""Arguments and results: checked against the signature, encoded as JSON, and decoded again.

A model instance is stored as its key, `{"$model": "app.model", "pk": 7}`, and fetched again when
the job starts, so that a job sees the row as it is then. The values of sensitive parameters are
stored as `{"$encrypted": "…"}`, and are plain from the start of an attempt to its end only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from django.apps import apps
from django.db.models import Model

from jobs.compat import normalize_json
from jobs.exceptions import InvalidArguments, MissingObject, Undecryptable
from jobs.parameters import MODEL_KEY, check, positional_name, shown
from jobs.plain_calls import is_storable_text, plain_calls
from jobs.privacy.coverage import covers
from jobs.privacy.encryption import ENCRYPTED, is_sealed, unseal
from jobs.privacy.masking import MASK
from jobs.privacy.sealing import sealed

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition

UNSTORABLE = "text with a NUL character (\\x00) or a lone surrogate cannot be stored"

_json = json.JSONEncoder(separators=(",", ":")).encode


class Guard(Protocol):
    """Who keeps what was decrypted out of sight, such as the `CurrentJob`."""

    def protect(self, value: Any) -> None: ...


Payload = dict[str, Any]
"""`{"args": […], "kwargs": {…}}`, as in `Job.arguments`."""


def encode(definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Payload:
    """Check the arguments of a call and return them as the JSON that the ledger stores.

    Raises InvalidArguments, naming the parameter, the value and the rule, and
    EncryptionUnavailable where a value is sensitive and there is no key.
    """
    if definition.sensitive:
        return sealed(definition, encode_any(definition, args, kwargs))
    plain = plain_calls(definition.func, definition.takes_context)
    if plain is not None and plain.write(args, kwargs) is not None:
        return {"args": list(args), "kwargs": dict(kwargs)}
    return encode_any(definition, args, kwargs)


def encoder(definition: JobDefinition) -> Callable[[Sequence[Any], Mapping[str, Any]], str]:
    """What does the same as `encode` for many calls of one definition, and returns JSON text."""
    if definition.sensitive:
        return lambda args, kwargs: _json(encode(definition, args, kwargs))
    plain = plain_calls(definition.func, definition.takes_context)

    def encoded(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        text = plain.write(args, kwargs) if plain is not None else None
        return text if text is not None else _json(encode_any(definition, args, kwargs))

    return encoded


def encode_any(
    definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Payload:
    """What `encode` does with a call that is not plain: see `jobs.plain_calls`."""
    check(definition, args, kwargs)
    for name in kwargs:
        if not _is_storable(name):
            rule = f"the name {shown(name)} cannot be stored: {UNSTORABLE}"
            raise InvalidArguments(definition.path, "kwargs", rule, name)
    return {
        "args": [
            _encode(definition, positional_name(definition, index), value)
            for index, value in enumerate(args)
        ],
        "kwargs": {name: _encode(definition, name, value) for name, value in kwargs.items()},
    }


def encode_after(
    definition: JobDefinition, first: int, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Payload:
    """The arguments of a call that follow `first` others, which are not known yet: those are
    left out, and only their number is checked. Raises InvalidArguments."""
    try:
        definition.signature.bind(*[None] * first, *args, **kwargs)
    except TypeError as error:
        raise InvalidArguments(
            definition.path, "arguments", f"{error}, with {first} results before them", args
        ) from None
    return {
        "args": [
            _encode(definition, positional_name(definition, first + index), value)
            for index, value in enumerate(args)
        ],
        "kwargs": {name: _encode(definition, name, value) for name, value in kwargs.items()},
    }


def check_payload(definition: JobDefinition, payload: Payload) -> Payload:
    """Check arguments that are JSON already, such as those of a form or a retry.

    Raises InvalidArguments, and EncryptionUnavailable as `encode`. A stored model key passes for
    the model. What is encrypted is checked as the value that it holds, and stays as it is.
    """
    if not isinstance(payload, Mapping) or not set(payload) <= {"args", "kwargs"}:
        raise InvalidArguments(
            definition.path, "arguments", 'must be {"args": […], "kwargs": {…}}', payload
        )
    args, kwargs = payload.get("args", []), payload.get("kwargs", {})
    if not isinstance(args, Sequence) or isinstance(args, str):
        secret = bool(definition.sensitive)
        rule = f"{MASK if secret else shown(args)} is not a list"
        raise InvalidArguments(definition.path, "args", rule, None if secret else args)
    if not isinstance(kwargs, Mapping):
        secret = bool(definition.sensitive)
        rule = f"{MASK if secret else shown(kwargs)} is not an object"
        raise InvalidArguments(definition.path, "kwargs", rule, None if secret else kwargs)
    if definition.sensitive or any(map(is_sealed, (*args, *kwargs.values()))):
        return _check_sealed(definition, args, kwargs)
    return encode(definition, args, kwargs)


def _check_sealed(
    definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Payload:
    try:
        plain_args = [unseal(value) if is_sealed(value) else value for value in args]
        plain_kwargs = {
            name: unseal(value) if is_sealed(value) else value for name, value in kwargs.items()
        }
    except Undecryptable as error:
        raise InvalidArguments(definition.path, "arguments", str(error)) from None
    payload = encode_any(definition, plain_args, plain_kwargs)
    # Also those of parameters that are sensitive no longer: what is secret does not become plain.
    payload["args"] = [
        value if is_sealed(value) else plain
        for value, plain in zip(args, payload["args"], strict=True)
    ]
    payload["kwargs"] |= {name: value for name, value in kwargs.items() if is_sealed(value)}
    return sealed(definition, payload)


def decode(payload: Payload, guard: Guard | None = None) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call, decrypted, and model instances fetched. The `guard` is told
    of each value that was decrypted.

    Raises MissingObject if an instance is gone, and Undecryptable.
    """
    args, kwargs = payload.get("args", []), payload.get("kwargs", {})
    # What is encrypted is an object; most arguments are none, and are not asked further.
    return [
        _decode(value) if type(value) is not dict else _opened(value, guard) for value in args
    ], {
        name: _decode(value) if type(value) is not dict else _opened(value, guard)
        for name, value in kwargs.items()
    }


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
    kind = type(value)
    # Most arguments are one of these, and need no walk.
    if kind is bool or value is None or (kind is str and is_storable_text(value)):
        return value
    # The round trip turns keys into text and refuses NaN, which the framework's own walk lets by.
    plain = json.loads(json.dumps(normalize_json(value), allow_nan=False))
    if not _is_storable(plain):
        raise ValueError(UNSTORABLE)
    return plain


def _is_storable(value: Any) -> bool:
    if isinstance(value, str):
        return is_storable_text(value)
    if isinstance(value, list):
        return all(_is_storable(item) for item in value)
    if isinstance(value, dict):
        return all(_is_storable(key) and _is_storable(item) for key, item in value.items())
    return True


def _encode(definition: JobDefinition, name: str, value: Any) -> Any:
    try:
        if is_sealed(value):
            raise ValueError(f"an object with the key {ENCRYPTED} alone is an encrypted value")
        return _plain(_keys_of_models(value))
    except (TypeError, ValueError, RecursionError) as error:
        secret = covers(definition, name)
        raise InvalidArguments(
            definition.path,
            name,
            f"{MASK if secret else shown(value)} cannot be stored as JSON: {error}",
            None if secret else value,
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


def _opened(value: dict[str, Any], guard: Guard | None) -> Any:
    if not is_sealed(value):
        return _decode(value)
    plain = unseal(value)
    if guard is not None:
        guard.protect(plain)
    try:
        return _decode(plain)
    except MissingObject as error:
        raise MissingObject(error.model, MASK) from None


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
