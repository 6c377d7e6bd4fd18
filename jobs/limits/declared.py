"""What code says of limits: `RateLimited("calcom", "60/m")`."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from jobs.exceptions import InvalidDefinition
from jobs.limits.kinds import LimitKind

LONGEST_NAME = 100
LONGEST_KEY = 200

_RATE = re.compile(r"(?P<amount>\d+)\s*/\s*(?P<count>\d*)\s*(?P<unit>[a-z]+)")
_UNITS = {
    "s": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600,
    "d": 86_400, "day": 86_400,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeclaredLimit:
    """A limit as code has it."""

    name: str
    kind: str
    amount: int
    period: dt.timedelta | None = None
    burst: int | None = None

    def __post_init__(self) -> None:
        checked_name(self.name)
        checked_amount(self.name, "amount", self.amount)
        if self.kind not in LimitKind.values:
            rule = f"must be one of {', '.join(LimitKind.values)}"
            raise InvalidDefinition(f"limit {self.name!r}: kind {self.kind!r} {rule}")
        if self.kind == LimitKind.CONCURRENCY:
            if self.period is not None:
                raise InvalidDefinition(f"limit {self.name!r}: jobs at once have no period")
        elif self.period is None or self.period <= dt.timedelta(0):
            raise InvalidDefinition(f"limit {self.name!r}: period {self.period!r} must be positive")
        if self.burst is not None:
            checked_amount(self.name, "burst", self.burst)
            if self.kind != LimitKind.TOKEN_BUCKET:
                raise InvalidDefinition(
                    f"limit {self.name!r}: burst belongs to the kind {LimitKind.TOKEN_BUCKET}"
                )

    @property
    def facts(self) -> dict[str, Any]:
        """As the row keeps them, in JSON."""
        period = self.period.total_seconds() if self.period is not None else None
        return {
            "kind": str(self.kind), "amount": self.amount, "period": period, "burst": self.burst
        }  # fmt: skip

    def columns(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "amount": self.amount, "period": self.period, "burst": self.burst,
            "declared": self.facts,
        }  # fmt: skip


def rate_limit(
    name: str, rate: str | tuple[int, Any], kind: str = LimitKind.SLIDING_WINDOW, burst: Any = None
) -> DeclaredLimit:
    """The limit that a rate says: "60/m", "5/10s", "1000/day", or (60, timedelta or seconds).

    Raises InvalidDefinition.
    """
    if isinstance(rate, str):
        found = _RATE.fullmatch(rate.strip().lower())
        unit = _unit(found["unit"]) if found else ""
        if found is None or unit not in _UNITS:
            raise InvalidDefinition(
                f"limit {name!r}: rate {rate!r} must be like 60/m, 5/10s or 1000/day"
            )
        seconds = _UNITS[unit] * int(found["count"] or 1)
        return DeclaredLimit(name, kind, int(found["amount"]), dt.timedelta(seconds=seconds), burst)
    if not isinstance(rate, tuple) or len(rate) != 2:
        raise InvalidDefinition(f"limit {name!r}: rate {rate!r} must be text, or amount and period")
    amount, period = rate
    if isinstance(period, int | float) and not isinstance(period, bool):
        period = dt.timedelta(seconds=period)
    if not isinstance(period, dt.timedelta):
        raise InvalidDefinition(
            f"limit {name!r}: period {period!r} must be a timedelta or a number of seconds"
        )
    return DeclaredLimit(name, kind, amount, period, burst)


def _unit(text: str) -> str:
    return text if text == "s" else text.removesuffix("s")


def checked_name(name: object) -> str:
    """Raises InvalidDefinition unless it is text of 1 to 100 characters."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "\x00" in name:
        raise InvalidDefinition(
            f"limit {name!r}: the name must be text of 1 to {LONGEST_NAME} characters"
        )
    return name


def checked_amount(name: str, field: str, value: object) -> int:
    """Raises InvalidDefinition unless it is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidDefinition(
            f"limit {name!r}: {field} {value!r} must be a whole number of at least 1"
        )
    return value


def checked_key(name: str, key: object) -> str:
    """A key as text. Raises InvalidDefinition unless it is text or a number that fits."""
    if isinstance(key, bool) or not isinstance(key, str | int) or len(str(key)) > LONGEST_KEY:
        raise InvalidDefinition(
            f"limit {name!r}: key {key!r} must be text or a whole number, of at most "
            f"{LONGEST_KEY} characters"
        )
    return str(key)
