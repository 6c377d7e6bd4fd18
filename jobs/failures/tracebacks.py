"""Formatted tracebacks, cut into frames of the site and frames of libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs.failures.fingerprint import is_of_the_site

_FRAME = re.compile(r'^\s*(?:[|+]\s*)*File "(?P<path>[^"]+)", line \d+')
_ENGINE = str(Path(__file__).resolve().parents[1]) + "/"


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive lines of one kind: `site` or `library` for a frame, else `text`."""

    kind: str
    text: str


def is_of_site(path: str) -> bool:
    """Whether a source file belongs to the site, not to Python, an installed package or the
    engine itself."""
    return is_of_the_site(path) and not path.startswith(_ENGINE)


def parts_of(traceback: str) -> Iterator[Part]:
    """Split a formatted traceback into frames and the text between them, losing nothing."""
    kind, lines = "text", list[str]()
    for line in traceback.splitlines(keepends=True):
        frame = _FRAME.match(line)
        if frame:
            new = "site" if is_of_site(frame["path"]) else "library"
        elif kind != "text" and line[:1].isspace():
            new = kind
        else:
            new = "text"
        if lines and (frame or new != kind):
            yield Part(kind, "".join(lines))
            lines = []
        kind = new
        lines.append(line)
    if lines:
        yield Part(kind, "".join(lines))


def marked(traceback: str) -> str:
    """The traceback as plain text, its lines led by ">" where they are a frame of the site."""
    return "\n".join(
        f"{'>' if part.kind == 'site' else ' '} {line}"
        for part in parts_of(traceback)
        for line in part.text.splitlines()
    )
