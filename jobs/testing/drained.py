"""Drained: what a drain has run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jobs.testing.naming import name_of
from jobs.testing.performed import Performed


@dataclass(slots=True)
class Drained:
    """The attempts of a drain, in the order in which they ran."""

    attempts: list[Performed] = field(default_factory=list)

    def of(self, definition: Any) -> list[Performed]:
        """The attempts of one definition."""
        name = name_of(definition)
        return [attempt for attempt in self.attempts if attempt.definition == name]

    @property
    def succeeded(self) -> int:
        """How many jobs succeeded."""
        return self._count(lambda attempt: attempt.succeeded)

    @property
    def failed(self) -> int:
        """How many jobs failed for good."""
        return self._count(lambda attempt: attempt.failed_for_good)

    @property
    def retried(self) -> int:
        """How many attempts failed, and their jobs were, or will be, tried again."""
        return self._count(lambda attempt: attempt.will_retry_in is not None)

    @property
    def released(self) -> int:
        """How many times a job released itself."""
        return self._count(lambda attempt: attempt.released)

    @property
    def discarded(self) -> int:
        """How many jobs their own policy dropped."""
        return self._count(lambda attempt: attempt.discarded)

    def _count(self, holds: Callable[[Performed], bool]) -> int:
        return sum(map(holds, self.attempts))

    def __len__(self) -> int:
        """How many attempts ran."""
        return len(self.attempts)

    def __iter__(self) -> Iterator[Performed]:
        return iter(self.attempts)

    def __str__(self) -> str:
        return "\n".join(f"{attempt.definition} {attempt}" for attempt in self.attempts)
