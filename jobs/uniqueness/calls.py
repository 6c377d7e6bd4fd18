"""What makes a call the only one of its kind."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

from django.conf import settings

from jobs.privacy.masking import MASK

ON_CONFLICT = ("skip", "replace", "reschedule", "raise")


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniqueness:
    """What makes a job the only one of its kind, and what happens to another."""

    label: str
    """The definition, or the shared name, and the key."""
    secret: bool = False
    """Whether the key has a sensitive argument in it, and is not to be shown or stored."""
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
        """Nobody can guess the label from it who has not the site's secret."""
        secret = hashlib.blake2b(settings.SECRET_KEY.encode(), digest_size=32).digest()
        return hashlib.blake2b(self.label.encode(), digest_size=32, key=secret).hexdigest()

    @property
    def shown(self) -> str:
        """The label for people."""
        return f"{self.label.partition(': ')[0]}: {MASK}" if self.secret else self.label
