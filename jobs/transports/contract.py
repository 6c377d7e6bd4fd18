"""The contract of a transport, and of the listener with which an idle worker waits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID


class Transport(ABC):
    """Told of work after the transaction that made it has committed."""

    @abstractmethod
    def dispatched(self, job_ids: Sequence[UUID], ready_in: Collection[str]) -> None:
        """These jobs are in the ledger; those that can run now are in these queues."""

    @abstractmethod
    def wake(self, queues: Iterable[str]) -> None:
        """Jobs of these queues became ready."""


class Listener(ABC):
    """One idle worker's ear."""

    @abstractmethod
    def wait(self, seconds: float, wakeups: Sequence[int] = ()) -> bool:
        """Wait until there may be work, at most so long; True if the database called.

        Ends at once when one of the descriptors `wakeups` can be read, as on a signal.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop listening."""
