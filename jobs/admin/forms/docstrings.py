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
_PROSE = re.compile(r"^`(\w+)` (.*)$")
_SECTION = re.compile(r"^(Args|Arguments|Parameters|Params|Keyword Args):?\s*$", re.IGNORECASE)


def parameter_help(function: Callable[..., Any], names: Container[str]) -> dict[str, str]:
    """The text for each of these parameters that the function's docstring describes: as
    `:param name: …`, in a section `Args:` or `Parameters`, or on lines that begin `name: …`, or
    with the name in backticks."""
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
        if match and not (current is not None and _depth(line) > max(indent, 0)):
            # Prose goes on at its own depth, until an empty line.
            indent = -1 if line.startswith("`") else _depth(line)
            current = found.setdefault(match[1], [])
            current.append(f"{match[1]} {match[2]}" if indent < 0 else match[2])
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
    match = _LINE.match(line) or _PROSE.match(line)
    return match if match and match[1] in names else None


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
