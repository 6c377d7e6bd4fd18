"""What a docstring says about parameters, in the three styles that are in use."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Container
from typing import Any

_SPHINX = re.compile(r"^:param(?:\s+[\w\[\], .|]+?)?\s+\*{0,2}(\w+):\s*(.*)$")
_GOOGLE = re.compile(r"^\s+\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s+(.*)$")
_NUMPY = re.compile(r"^\*{0,2}(\w+)\s*:\s*\S.*$")
_LINE = re.compile(r"^\*{0,2}(\w+):\s+(.*)$")
_SECTION = re.compile(r"^(Args|Arguments|Parameters|Params|Keyword Args):?\s*$", re.IGNORECASE)


def parameter_help(function: Callable[..., Any], names: Container[str]) -> dict[str, str]:
    """The text for each of these parameters that the function's docstring describes: as
    `:param name: …`, in a section `Args:` or `Parameters`, or on lines that begin `name: …`."""
    lines = (inspect.getdoc(function) or "").splitlines()
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    in_section = False
    indent = 0
    for line in lines:
        if _SECTION.match(line):
            in_section, current = True, None
            continue
        if set(line) == {"-"}:
            continue
        match = _SPHINX.match(line) or (in_section and _GOOGLE.match(line)) or _plain(line, names)
        if match and not (current is not None and _depth(line) > indent):
            current, indent = found.setdefault(match[1], []), _depth(line)
            current.append(match[2])
        elif in_section and _NUMPY.match(line):
            current, indent = found.setdefault(_NUMPY.match(line)[1], []), 0  # type: ignore[index]
        elif not line.strip():
            current = None
        elif current is not None and _depth(line) > indent:
            current.append(line.strip())
        else:
            current = None
            in_section = in_section and line[:1].isspace()
    return {name: " ".join(words).strip() for name, words in found.items() if any(words)}


def _plain(line: str, names: Container[str]) -> re.Match[str] | None:
    match = _LINE.match(line)
    return match if match and match[1] in names else None


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
