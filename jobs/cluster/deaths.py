"""Deaths: what the sentinel knows of a worker that has ended, until the ledger knows it too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import count

from jobs.cluster.mailbox import Message


@dataclass(frozen=True, slots=True)
class Death:
    """The end of one worker process."""

    number: int
    pid: int
    worker_id: int
    """0 if it died before it had a row."""
    detail: str
    """Such as: signal 9, exit code 1."""
    timed_out: bool = False
    """Killed at the hard timeout of its job."""
    interrupted: bool = False
    """Killed at the end of a shutdown's grace: its job is not to blame."""
    journal: str = ""
    """The path of its file."""

    def as_message(self) -> Message:
        return {"kind": "death", **asdict(self)}

    @classmethod
    def from_message(cls, message: Message) -> Death:
        return cls(**{key: value for key, value in message.items() if key != "kind"})


class Obituaries:
    """The deaths that the clock has not yet confirmed to be in the ledger.

    They are kept here, in the sentinel, so that they outlive a clock that dies before it has
    written them. A death told twice does no harm.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._unconfirmed: dict[int, Death] = {}

    def add(
        self,
        *,
        pid: int,
        worker_id: int,
        detail: str,
        timed_out: bool = False,
        interrupted: bool = False,
        journal: str = "",
    ) -> Death:
        death = Death(next(self._numbers), pid, worker_id, detail, timed_out, interrupted, journal)
        self._unconfirmed[death.number] = death
        return death

    def confirm(self, number: int) -> None:
        self._unconfirmed.pop(number, None)

    def unconfirmed(self) -> Iterable[Death]:
        return list(self._unconfirmed.values())
