"""What a limit counts, and what a job asks of one."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import models


class LimitKind(models.TextChoices):
    """What a limit counts."""

    CONCURRENCY = "concurrency", "Jobs at once"
    FIXED_WINDOW = "fixed", "Starts in each period"
    SLIDING_WINDOW = "sliding", "Starts in any period"
    TOKEN_BUCKET = "bucket", "Starts at a steady rate, with bursts"
    BREAKER = "breaker", "Exceptions in a row, until it opens for a period"


@dataclass(frozen=True, slots=True)
class Want:
    """What a job asks of a limit before it starts."""

    limit: str
    key: str
    cost: float = 1.0
    expire_after: dt.timedelta | None = None
    """After so long the place counts no more, even if its job still runs."""
