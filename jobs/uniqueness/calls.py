"""What makes a call the only one of its kind."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

ON_CONFLICT = ("skip", "replace", "reschedule", "raise")


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniqueness:
    """What makes a job the only one of its kind, and what happens to another."""

    label: str
    """The definition, or the shared name, and the key."""
    until_start: bool = False
    period: dt.timedelta | None = None
    """For so long from its enqueueing no other is enqueued, even if it has ended."""
    on_conflict: str = "skip"
    wait: dt.timedelta | None = None
    """Of a debounced job: it starts when so long nothing has come."""
    longest: dt.timedelta | None = None
    """Of a debounced job: it waits no longer than this from the first call on."""

    @property
    def key(self) -> str:
        return hashlib.blake2b(self.label.encode(), digest_size=32).hexdigest()
