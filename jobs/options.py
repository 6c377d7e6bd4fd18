"""The options of a job definition: their checks, and the one form in which they are kept."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.utils import timezone

from jobs.exceptions import InvalidDefinition
from jobs.execution import backoff as backoffs
from jobs.execution.middleware import contract as middleware
from jobs.execution.recover import Recover
from jobs.privacy.coverage import checked_names

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition


class Unset(enum.Enum):
    """Says that an option was not given, where None has a meaning of its own."""

    UNSET = enum.auto()

    def __repr__(self) -> str:
        return self.name

    def __bool__(self) -> bool:
        return False


UNSET: Any = Unset.UNSET

ON_CRASH = ("retry", "fail")
DELIVERY = ("at_least_once", "at_most_once")


def normalized(definition: JobDefinition) -> dict[str, Any]:
    """The options of a definition, each checked and in its one form.

    Raises InvalidDefinition, naming the option, its value and the rule.
    """
    options: dict[str, Any] = {"backoff": backoffs.normalized(definition.backoff)}
    if isinstance(definition.run_after, dt.timedelta):
        options["run_after"] = timezone.now() + definition.run_after
    if definition.timeout is not UNSET and definition.timeout is not None:
        options["timeout"] = _seconds("timeout", definition.timeout)
    for name in ("max_attempts", "max_exceptions", "max_crashes"):
        options[name] = _whole(name, getattr(definition, name))
    for name in ("retry_until", "deadline"):
        options[name] = _moment(name, getattr(definition, name))
    for name in ("retry_on", "discard_on"):
        options[name] = _exceptions(name, getattr(definition, name))
    for name in ("should_retry", "on_failure"):
        _check_callable(name, getattr(definition, name))
    options["middleware"] = middleware.checked(definition.middleware)
    for item in options["middleware"]:
        if isinstance(item, middleware.Keyed):
            item.check(definition)
    if not callable(definition.tags):
        options["tags"] = checked_tags(definition.tags)
    if not callable(definition.tenant):
        options["tenant"] = checked_tenant(definition.tenant)
    if definition.sensitive != ():
        options["sensitive"] = checked_names(
            definition.sensitive, definition.func, definition.takes_context
        )
    _check_choice("on_crash", definition.on_crash, ON_CRASH)
    _check_choice("delivery", definition.delivery, DELIVERY)
    if definition.recover is not None and not isinstance(definition.recover, Recover):
        raise InvalidDefinition(f"recover: {definition.recover!r} must be a Recover, or None")
    if definition.delivery == "at_most_once":
        # A call that asks for it, of a definition that does not, is left alone by the rule.
        if definition.recover is not None and definition.declared:
            raise InvalidDefinition(
                f"recover: {definition.recover!r} must be None where delivery is at_most_once"
            )
        if definition.max_attempts != 1:
            raise InvalidDefinition(
                f"max_attempts: {definition.max_attempts!r} must be 1 where delivery is "
                "at_most_once"
            )
        options["on_crash"] = "fail"
    return options


def _seconds(option: str, value: Any) -> float:
    """A duration in seconds. Raises InvalidDefinition unless it is a positive one."""
    seconds = value.total_seconds() if isinstance(value, dt.timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise InvalidDefinition(
            f"{option}: {value!r} must be a positive number of seconds or a timedelta"
        )
    return float(seconds)


def _whole(option: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidDefinition(
            f"{option}: {value!r} must be a whole number of at least 1, or None"
        )
    return value


def _moment(option: str, value: Any) -> dt.datetime | dt.timedelta | None:
    if value is None:
        return None
    if isinstance(value, dt.datetime):
        if django_settings.USE_TZ and timezone.is_naive(value):
            raise InvalidDefinition(f"{option}: {value!r} must be an aware datetime")
        return value
    return dt.timedelta(seconds=_seconds(option, value))


def _exceptions(option: str, value: Any) -> tuple[type[BaseException], ...]:
    items = value if isinstance(value, list | tuple | set | frozenset) else (value,)
    for item in items:
        if not (isinstance(item, type) and issubclass(item, BaseException)):
            raise InvalidDefinition(f"{option}: {item!r} must be an exception class")
    return tuple(items)


def _check_choice(option: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidDefinition(f"{option}: {value!r} must be one of {', '.join(choices)}")


def _check_callable(option: str, value: Any) -> None:
    if value is not None and not callable(value):
        raise InvalidDefinition(f"{option}: {value!r} must be callable")


def checked_tags(value: Any) -> tuple[str, ...]:
    """Tags as a tuple, each once. Raises InvalidDefinition unless they are non-empty text."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidDefinition(f"tags: {value!r} must be a list of words")
    tags = tuple(dict.fromkeys(value))
    for tag in tags:
        if not isinstance(tag, str) or not 0 < len(tag) <= 150:
            raise InvalidDefinition(f"tags: {tag!r} must be text of 1 to 150 characters")
        if "\x00" in tag:
            raise InvalidDefinition(f"tags: {tag!r} must not contain a NUL character")
    return tags


def checked_tenant(value: Any) -> str:
    """A tenant as text; a whole number, such as a key, becomes one, and None is no tenant. Raises
    InvalidDefinition."""
    tenant = "" if value is None else value
    if isinstance(tenant, int) and not isinstance(tenant, bool):
        tenant = str(tenant)
    if not isinstance(tenant, str) or len(tenant) > 64 or "\x00" in tenant:
        raise InvalidDefinition(
            f"tenant: {value!r} must be text of at most 64 characters, or a whole number"
        )
    return tenant
