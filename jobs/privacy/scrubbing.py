"""Keeps the plain values of sensitive arguments out of what a job says and raises."""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from jobs.execution.description import class_path, message_of
from jobs.parameters import MODEL_KEY
from jobs.privacy.masking import MASK

SHORTEST = 4
"""Texts with fewer characters would take half of a message with them."""
SHORTEST_NUMBER = 6
SHORTEST_LINE = 8


class Scrubber:
    """Puts a mask in the place of certain values wherever they occur in a text.

    Each is looked for as it is, and as Python, JSON, URLs, HTML and Base64 write it. What a program
    has cut, joined or turned into something else is not found.
    """

    __slots__ = ("_forms", "_sorted")

    def __init__(self, *values: Any) -> None:
        self._forms: set[str] = set()
        self._sorted: list[str] = []
        for value in values:
            self.add(value)

    def add(self, value: Any) -> None:
        """Look for this value too: a text, a number, or what lies in a list or an object."""
        for text in _texts(value):
            self._forms.update(_forms(text))
        # The longest first, as it may hold a shorter one.
        self._sorted = sorted(self._forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without the values."""
        for form in self._sorted:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def json(self, value: Any) -> Any:
        """A JSON value without them: in its texts, its keys and its numbers."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.json(item) for key, item in value.items()}
        if isinstance(value, int | float) and not isinstance(value, bool):
            return MASK if repr(value) in self._forms else value
        return value

    def holds(self, text: str) -> bool:
        """Whether one of the values occurs in the text."""
        return any(form in text for form in self._sorted)

    def stand_in(self, error: BaseException) -> BaseException:
        """An exception that may be handed on in the place of this one: of its class where that can
        be, with its message scrubbed; without its traceback, causes and attributes, in which
        anything may lie."""
        kind, message = type(error), self.text(message_of(error))
        try:
            made = kind.__new__(kind, message)
            made.args = (message,)
            if not self.holds(str(made)):
                return made
        except Exception:
            # The class wants more than a message.
            pass
        return RuntimeError(f"{class_path(error)}: {message}")


def _texts(value: Any) -> Iterator[str]:
    """The texts in a JSON value that are long enough to be looked for."""
    if isinstance(value, str):
        if len(value) >= SHORTEST:
            yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            # The name of a model is in every traceback that has to do with it.
            if name != MODEL_KEY:
                yield from _texts(item)
    elif not isinstance(value, int | float) or isinstance(value, bool):
        return
    elif len(text := repr(value)) >= SHORTEST_NUMBER:
        yield text


def _forms(text: str) -> set[str]:
    """How a text may be written."""
    lines = [line.strip() for line in text.splitlines()] if "\n" in text else []
    written = {text, *(line for line in lines if len(line) >= SHORTEST_LINE)}
    # Twice: a message may quote another message.
    for _ in range(2):
        for form in tuple(written):
            quoted = repr(form)[1:-1]
            written |= {
                quoted,
                ascii(form)[1:-1],
                # A quote is escaped or not by what else is in the text around the value.
                form.replace("'", "\\'"),
                quoted.replace("'", "\\'"),
                json.dumps(form)[1:-1],
                json.dumps(form, ensure_ascii=False)[1:-1],
            }
    data = text.encode("utf-8", "backslashreplace")
    written |= {
        quote(data),
        quote(data, safe=""),
        quote_plus(data),
        html.escape(text),
        repr(data)[2:-1],
        b64encode(data).decode(),
    }
    return written
