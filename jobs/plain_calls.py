"""Plain calls: scalars that fit their parameters, checked and written as JSON in one pass.

Nearly all calls are plain. Of these this says yes, at a tenth of the cost of the full check in
`jobs.arguments`; of all others it says nothing, and the full check decides and words the error.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from json.encoder import encode_basestring_ascii
from math import isfinite
from types import NoneType
from typing import Any

from jobs.parameters import fits, signature_of

Write = Callable[[Any], str | None]
"""Writes a value of one type as JSON; None where it has to be looked at more closely."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST = 2**63
"""Beyond this an integer is rare, and may be too long to be written at all."""


class PlainCalls:
    """The plain calls of one signature."""

    __slots__ = ("_by_name", "_in_order", "_required")

    def __init__(self, parameters: Sequence[inspect.Parameter]) -> None:
        """`parameters` may all be given by position and by name."""
        self._in_order = [_writers(item.annotation) for item in parameters]
        self._by_name = {
            item.name: (f"{json.dumps(item.name)}:", writers)
            for item, writers in zip(parameters, self._in_order, strict=True)
        }
        self._required = {item.name for item in parameters if item.default is item.empty}

    def write(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """The JSON of a call that fits, as in `Job.arguments`; None if it is not a plain one."""
        if kwargs:
            return self._write_by_name(kwargs) if not args else None
        if not len(self._required) <= len(args) <= len(self._in_order):
            return None
        texts = []
        # A call may give fewer than there are parameters.
        for value, writers in zip(args, self._in_order, strict=False):
            write = writers.get(type(value))
            if write is None or (text := write(value)) is None:
                return None
            texts.append(text)
        return f'{{"args":[{",".join(texts)}],"kwargs":{{}}}}'

    def _write_by_name(self, kwargs: Mapping[str, Any]) -> str | None:
        if not self._required <= kwargs.keys():
            return None
        texts = []
        for name, value in kwargs.items():
            if (parameter := self._by_name.get(name)) is None:
                return None
            label, writers = parameter
            write = writers.get(type(value))
            if write is None or (text := write(value)) is None:
                return None
            texts.append(label + text)
        return f'{{"args":[],"kwargs":{{{",".join(texts)}}}}}'


@cache
def plain_calls(function: Callable[..., Any], takes_context: bool) -> PlainCalls | None:
    """The plain calls of a job's function; None if its parameters are not so simple."""
    parameters = list(signature_of(function, takes_context).parameters.values())
    if any(item.kind is not item.POSITIONAL_OR_KEYWORD for item in parameters):
        return None
    return PlainCalls(parameters)


def is_storable_text(value: str) -> bool:
    """Whether PostgreSQL's jsonb takes this text: no NUL character and no lone surrogate."""
    # isascii() spares most text the search.
    return "\x00" not in value and (value.isascii() or not _SURROGATE.search(value))


class _Integer(int):
    """Like every int and equal in type to none, so that it stands for no Literal."""


class _Float(float):
    """See _Integer."""


class _Text(str):
    """See _Integer."""


_KINDS: dict[type, tuple[tuple[Any, ...], Write]] = {
    int: ((_Integer(),), lambda value: repr(value) if -_LARGEST < value < _LARGEST else None),
    float: ((_Float(),), lambda value: repr(value) if isfinite(value) else None),
    str: (
        (_Text(),),
        lambda value: encode_basestring_ascii(value) if is_storable_text(value) else None,
    ),
    bool: ((False, True), lambda value: "true" if value else "false"),
    NoneType: ((None,), lambda value: "null"),
}
"""For each type of scalar the values that stand for all others of it, and how it is written."""


def _writers(annotation: Any) -> dict[type, Write]:
    """How to write the scalars of those types of which every value fits an annotation."""
    unchecked = annotation is inspect.Parameter.empty
    return {
        kind: write
        for kind, (samples, write) in _KINDS.items()
        if unchecked or all(fits(sample, annotation) for sample in samples)
    }
