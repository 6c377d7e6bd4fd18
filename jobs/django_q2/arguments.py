"""Arguments of old calls: what JSON can hold exactly, and the signed pickle for what it cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Model
from django_q.signing import SignedPackage

from jobs.conf import settings
from jobs.exceptions import InvalidArguments

Arguments = tuple[list[Any], dict[str, Any]]


def check(function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """See that JSON can hold every argument, so that the function gets what it was called with.

    A tuple arrives as a list. A saved model instance is stored as its key and fetched again at the
    start. Raises InvalidArguments, naming the place inside the argument, for everything else.
    """
    for index, value in enumerate(args):
        _check(function, f"args[{index}]", value)
    for name, value in kwargs.items():
        _check(function, name, value)


def packed(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return a signed pickle of the arguments: see JOBS_DJANGO_Q2_PICKLE."""
    return str(SignedPackage.dumps((tuple(args), dict(kwargs))))


def unpacked(function: str, package: str) -> Arguments:
    """Return the arguments of a signed pickle.

    Raises InvalidArguments if pickles are no longer allowed, and BadSignature if the package was
    not signed with this site's key.
    """
    if not settings.DJANGO_Q2_PICKLE:
        raise InvalidArguments(
            function, "arguments", "are a signed pickle, and JOBS_DJANGO_Q2_PICKLE is off"
        )
    args, kwargs = SignedPackage.loads(package)
    return list(args), dict(kwargs)


def _check(function: str, place: str, value: Any) -> None:
    match value:
        case None | bool() | int():
            return
        case str() if _can_be_stored(value):
            return
        case str():
            rule = "text with a NUL character or a lone surrogate cannot be stored"
        case float() if math.isfinite(value):
            return
        case float():
            rule = "JSON has no such number"
        case list() | tuple():
            for index, item in enumerate(value):
                _check(function, f"{place}[{index}]", item)
            return
        case Mapping():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise _refusal(function, f"{place}, key {key!r}", key, "JSON's keys are text")
                _check(function, f"{place}, key {key!r}", key)
                _check(function, f"{place}[{key!r}]", item)
            return
        case Model() if value.pk is not None and not value._state.adding:
            return
        case Model():
            rule = f"this {value._meta.label} is not saved, so it has no key to be fetched by"
        case _:
            rule = f"JSON cannot hold a {type(value).__module__}.{type(value).__qualname__}"
    raise _refusal(function, place, value, rule)


def _can_be_stored(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _refusal(function: str, place: str, value: Any, rule: str) -> InvalidArguments:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}…"
    hint = "; set JOBS_DJANGO_Q2_PICKLE to store such arguments as a signed pickle"
    return InvalidArguments(function, place, f"{shown}: {rule}{hint}", value)
