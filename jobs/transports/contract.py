"""The contract of a transport, and of the listener with which an idle worker waits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import datetime as dt

    from _typeshed import FileDescriptorLike

    from jobs.dispatch import NewJob
    from jobs.ledger import Ledger


class Transport(ABC):
    """Told of work after the transaction that made it has committed."""

    def hand_over(self, book: Ledger, job: NewJob) -> dt.datetime | None:
        """Insert a job that can run at once, and have a worker start it without a claim.

        Returns when it was enqueued; None, with nothing done, where that cannot be.
        """
        return None

    @abstractmethod
    def dispatched(self, job_ids: Sequence[UUID], ready_in: Collection[str]) -> None:
        """These jobs are in the ledger; those that can run now are in these queues."""

    @abstractmethod
    def wake(self, queues: Iterable[str]) -> None:
        """Jobs of these queues became ready."""


class Listener(ABC):
    """One idle worker's ear."""

    @abstractmethod
    def wait(self, seconds: float, wakeups: Sequence[FileDescriptorLike] = ()) -> bool:
        """Wait until there may be work, at most so long; True if the database called.

        Ends at once when one of `wakeups` can be read, as on a signal.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop listening."""
