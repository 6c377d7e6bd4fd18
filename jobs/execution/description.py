"""An exception as the facts that the ledger keeps."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.privacy.scrubbing import Scrubber

LONGEST_MESSAGE = 10_000
LONGEST_TRACEBACK = 100_000


@dataclass(frozen=True, slots=True)
class Described:
    exception_class: str
    message: str
    traceback: str


def class_path(error: BaseException | type[BaseException]) -> str:
    """The dotted path of the exception's class, as `django.tasks` stores it."""
    kind = error if isinstance(error, type) else type(error)
    return f"{kind.__module__}.{kind.__qualname__}"


def describe(error: BaseException, scrub: Scrubber | None = None) -> Described:
    """The class, message and traceback of an exception, each bounded and scrubbed.

    The frames of the runner are left out; of an overlong traceback the middle is.
    """
    text = "".join(
        traceback.format_exception(type(error), error, _without_runner(error.__traceback__))
    )
    message = message_of(error)
    if scrub is not None:
        # Before anything is cut, since half of a value would not be found.
        text, message = scrub.text(text), scrub.text(message)
    return Described(class_path(error), message[:LONGEST_MESSAGE], _shortened(text))


def message_of(error: BaseException) -> str:
    """What the exception says, or that it cannot say it."""
    try:
        return str(error)
    except Exception as broken:
        return f"<str() of the exception raised {class_path(broken)}>"


def _without_runner(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(
        "jobs.execution."
    ):
        if frames.tb_next is None:
            return frames
        frames = frames.tb_next
    return frames


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_TRACEBACK:
        return text
    half = LONGEST_TRACEBACK // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
