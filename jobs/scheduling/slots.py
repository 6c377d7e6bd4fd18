from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, Protocol

DstMark = Literal["", "gap", "overlap_first", "overlap_second"]


class DstGap(StrEnum):
    """What happens to a local time that does not exist, because the clocks went forward over it."""

    NEXT_VALID = "next_valid"
    SKIP = "skip"


class DstOverlap(StrEnum):
    """What happens to a local time that exists twice, because the clocks went back over it.

    ``ONCE`` runs at the first of the two.
    """

    ONCE = "once"
    TWICE = "twice"


class RuleError(ValueError):
    """A schedule rule that cannot be accepted: which field, the value given, and what it breaks."""

    def __init__(self, field: str, value: object, rule: str) -> None:
        super().__init__(field, value, rule)
        self.field = field
        self.value = value
        self.rule = rule

    def __str__(self) -> str:
        return f'{self.field}: "{self.value}": {self.rule}'


@dataclass(frozen=True, slots=True)
class Slot:
    """One time at which a schedule is to run.

    ``at`` is the instant in UTC; no two slots of one rule share it, so it identifies the slot.
    ``local`` is the wall-clock time that the rule asks for, without a zone: for a slot that was
    moved out of a gap it is the time that does not exist. ``dst`` says how a clock change touches
    the slot: ``gap`` (moved to the first valid instant), ``overlap_first`` or ``overlap_second``
    (the local time exists twice and this is its first or second occurrence), or nothing.
    """

    at: datetime
    local: datetime
    dst: DstMark = ""


class Rule(Protocol):
    """When a schedule runs. Rules are immutable, hashable, and know no clock and no database."""

    @property
    def timezone(self) -> str:
        """The IANA name of the zone whose wall clock the rule is read in."""

    def slots_after(self, moment: datetime) -> Iterator[Slot]:
        """Every slot strictly after the aware ``moment``, in strictly increasing order of
        ``Slot.at``.

        Depends on ``moment`` alone, so that ``slots_after(slot.at)`` goes on with the slot that
        follows ``slot``. May be endless. Raises RuleError for a naive ``moment``.
        """

    def count_between(self, start: datetime, end: datetime) -> int:
        """How many slots there are with ``start < at <= end``, found without visiting each."""


def span(low: int, high: int) -> str:
    """A range of numbers as messages write it."""
    return f"{low}\N{EN DASH}{high}"


def as_utc(field: str, moment: datetime) -> datetime:
    """``moment`` in UTC. Raises RuleError when it carries no zone, as it then names no instant."""
    if moment.utcoffset() is None:
        raise RuleError(field, moment, "needs a time zone; this date and time has none")
    return moment.astimezone(UTC)


def checked_gap(value: DstGap | str) -> DstGap:
    """The gap rule of this name; RuleError with the names that exist when there is none."""
    try:
        return DstGap(value)
    except ValueError as error:
        raise RuleError("gap", value, f"is not one of {', '.join(DstGap)}") from error


def checked_overlap(value: DstOverlap | str) -> DstOverlap:
    """The overlap rule of this name; RuleError with the names that exist when there is none."""
    try:
        return DstOverlap(value)
    except ValueError as error:
        raise RuleError("overlap", value, f"is not one of {', '.join(DstOverlap)}") from error
