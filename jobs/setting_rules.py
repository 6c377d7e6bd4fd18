"""The rules of settings; each refusal names the setting, its value and the rule."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from typing import Any

from jobs.exceptions import JobsConfigurationError


def refused(name: str, value: Any, rule: str) -> JobsConfigurationError:
    """The error for a value that breaks a rule."""
    return JobsConfigurationError(f"{name}: {value!r}: {rule}")


def duration(name: str, value: Any) -> dt.timedelta:
    """A timedelta or a number of seconds; 0 is none. Raises JobsConfigurationError."""
    if isinstance(value, dt.timedelta):
        length = value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            length = dt.timedelta(seconds=value)
        except (OverflowError, ValueError):
            raise refused(name, value, "is longer than time can be counted") from None
    else:
        raise refused(name, value, "must be a timedelta or a number of seconds")
    if length < dt.timedelta(0):
        raise refused(name, value, "must not be negative")
    return length


def span(name: str, value: Any) -> dt.timedelta:
    """A duration above 0. Raises JobsConfigurationError."""
    length = duration(name, value)
    if not length:
        raise refused(name, value, "must be more than 0")
    return length


def seconds(name: str, value: Any) -> float:
    """A duration above 0, in seconds. Raises JobsConfigurationError."""
    return span(name, value).total_seconds()


def whole(name: str, value: Any, *, least: int = 0, most: int | None = None) -> int:
    """A whole number within its bounds. Raises JobsConfigurationError."""
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if not fits or (most is not None and value > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise refused(name, value, f"must be a whole number {bounds}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """True or False, and no text that looks like it. Raises JobsConfigurationError."""
    if not isinstance(value, bool):
        raise refused(name, value, "must be True or False")
    return value


def short_text(name: str, value: Any, *, most: int) -> str:
    """A text on one line. Raises JobsConfigurationError."""
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise refused(name, value, f"must be text of at most {most} characters, on one line")
    return value


def encryption_keys(name: str, value: Any) -> tuple[str, ...]:
    """Keys of Fernet in their order. Raises JobsConfigurationError, which shows none of them."""
    if not isinstance(value, list | tuple):
        raise JobsConfigurationError(f"{name}: must be a list of keys")
    for number, key in enumerate(value, 1):
        if not _is_fernet_key(key):
            raise JobsConfigurationError(
                f"{name}: key {number} of {len(value)}: must be 32 bytes in URL-safe Base64, which "
                "are 44 characters"
            )
    if len(set(value)) != len(value):
        raise JobsConfigurationError(f"{name}: has a key twice")
    return tuple(value)


def _is_fernet_key(key: Any) -> bool:
    try:
        return isinstance(key, str) and len(base64.b64decode(key, b"-_", validate=True)) == 32
    except ValueError:
        return False


def queue_list(name: str, value: Any) -> tuple[str, ...]:
    """Names of queues in their order. Raises JobsConfigurationError."""
    is_list = isinstance(value, list | tuple)
    if not is_list or not all(isinstance(queue, str) and queue for queue in value):
        raise refused(name, value, "must be a list of queue names")
    if len(set(value)) != len(value):
        raise refused(name, value, "names a queue twice")
    for queue in value:
        if len(queue) > 64:
            raise refused(name, queue, "a queue name has at most 64 characters")
    if not value:
        raise refused(name, value, "must name at least one queue")
    return tuple(value)


def optional(rule: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """The same rule, for a value that may also be None."""
    return lambda name, value: None if value is None else rule(name, value)
