"""Job definitions whose signatures have one parameter of each kind."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from django.contrib.auth.models import Group

from jobs import job


class Mode(enum.StrEnum):
    FAST = "fast"
    SLOW = "slow"


@job(queue_name="ai", priority=7)
def everything(
    count: int,
    ratio: float,
    sure: bool,
    name: str,
    day: dt.date,
    moment: dt.datetime,
    mode: Mode,
    level: Literal[1, 2, "three"],
    group: Group,
    key: UUID,
    price: Decimal,
    numbers: list[int],
    table: dict[str, Any],
    anything,  # type: ignore[no-untyped-def]
    maybe: int | None,
    either: int | str,
) -> None:
    """Take one value of each kind.

    Args:
        count: How many there are,
            on two lines.
        ratio (float): Between 0 and 1.
    """


@job
def defaults(
    count: int = 3,
    ratio: float = 0.5,
    sure: bool = True,
    name: str = "Ada",
    mode: Mode = Mode.FAST,
    maybe: int | None = None,
    limit: int | None = 10,
    numbers: list[int] | None = None,
) -> None:
    """Has a default for all.

    :param count: The count.
    :param str name: Whose it is.
    """


@job
def variadic(first: int, second: int = 2, /, *rest: int, word: str = "w", **named: Any) -> None:
    """Takes whatever comes."""


@job
def prose(source: str, limit: int = 5) -> None:
    """Told in sentences.

    `source` is where to look;
    it must exist. `limit` is not at a line's start here.
    `limit` bounds it.

    `other` is nothing.
    """


@job
def nothing() -> None:
    """Takes nothing."""


@job(internal=True)
def hidden() -> None:
    """Serves others."""


@job
def described(alpha: int, beta: int) -> None:
    """Numpy's way.

    Parameters
    ----------
    alpha : int
        The first letter.
    beta : int
        The second.
    """
