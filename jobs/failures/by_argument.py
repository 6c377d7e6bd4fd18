"""Failed jobs by the value of an argument, as it was given: by name or by position."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from jobs import registry
from jobs.exceptions import InvalidOption

_SAID = re.compile(r"([A-Za-z]\w*)=(.+)", re.DOTALL)


def parsed(text: str) -> tuple[str, Any] | None:
    """Name and value of a text such as `customer=7` or `name=acme`: JSON where it is that, else
    text. None for a text of another form."""
    found = _SAID.fullmatch(text.strip())
    if found is None:
        return None
    name, said = found.groups()
    try:
        return name, json.loads(said)
    except ValueError:
        return name, said


def checked(arguments: Any) -> dict[str, Any]:
    """Arguments by name. Raises InvalidOption naming the name, its value and the rule."""
    if not isinstance(arguments, Mapping) or not arguments:
        raise InvalidOption("arguments", arguments, "must be values by the names of parameters")
    for name, value in arguments.items():
        if not isinstance(name, str) or not is_known(name):
            rule = "is a parameter of no job definition, or holds what is encrypted"
            raise InvalidOption("arguments", name, rule)
        if value is None:
            raise InvalidOption(name, value, "null cannot be looked for")
    return dict(arguments)


def is_known(name: str) -> bool:
    """Whether failed jobs can be looked for by this name."""
    return "__" not in name and bool(_definitions(name))


def having(arguments: Mapping[str, Any]) -> Q:
    """The condition that a failed job was given all of these. Raises InvalidOption."""
    whole = Q()
    for name, value in checked(arguments).items():
        places = _definitions(name)
        every = [path for paths in places.values() for path in paths]
        given = Q(definition__in=every, **{f"arguments__kwargs__{name}": value})
        for place, paths in places.items():
            given |= Q(definition__in=paths, **{f"arguments__args__{place}": value})
        whole &= given
    return whole


def in_words(arguments: Mapping[str, Any]) -> str:
    """Such as `customer=7`."""
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())


def _definitions(name: str) -> dict[int, list[str]]:
    """The definitions that have a parameter of this name which may be seen, by its place."""
    found: dict[int, list[str]] = defaultdict(list)
    for definition in registry.all():
        names = list(definition.signature.parameters)
        if name in names and name not in definition.sensitive:
            found[names.index(name)].append(definition.path)
    return found
