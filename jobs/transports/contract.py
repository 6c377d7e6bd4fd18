"""The contract of a transport, and of the listener with which an idle worker waits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.dispatch import NewJob


class Transport(ABC):
    """Told of work after the transaction that made it has committed."""

    @abstractmethod
    def dispatched(self, jobs: Sequence[NewJob]) -> None:
        """New jobs are in the ledger."""

    @abstractmethod
    def wake(self, queues: Iterable[str]) -> None:
        """Jobs of these queues became ready."""


class Listener(ABC):
    """One idle worker's ear."""

    @abstractmethod
    def wait(self, seconds: float, wakeup_fd: int | None = None) -> bool:
        """Wait until there may be work, at most so long; True if something woke it.

        Ends at once when `wakeup_fd` becomes readable, as on a signal.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop listening."""
