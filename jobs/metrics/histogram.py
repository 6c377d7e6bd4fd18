"""Histograms of durations that can be added up, so that percentiles stay right through every
roll-up.

A bucket holds the durations from `GROWTH` times its lower neighbour's bound on, as in DDSketch
(Masson, Rim and Lee, VLDB 2019): the quantile of any number of histograms together is that of all
their durations, to within `ERROR`, however they were cut into minutes, hours and days.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Self

GROWTH = 1.1
"""From the bound of one bucket to the next."""
ERROR = (GROWTH - 1) / (GROWTH + 1)
"""The most by which a quantile may be wrong, as a part of it."""
_LOG = math.log(GROWTH)


def bucket_of(microseconds: int) -> int:
    """The number of the bucket of a duration: 0 is up to a microsecond."""
    return math.ceil(math.log(microseconds) / _LOG) if microseconds > 1 else 0


def bucket_sql(microseconds: str) -> str:
    """The same in SQL, of a whole number above 0, for both databases."""
    # Django gives SQLite this logarithm.
    return f"CAST(ceiling(ln(CAST({microseconds} AS double precision)) / {_LOG!r}) AS integer)"


class Histogram:
    """How many durations there were of about which length."""

    __slots__ = ("_counts",)

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self._counts = Counter(counts or {})

    @classmethod
    def of(cls, durations: Iterable[dt.timedelta]) -> Self:
        """Of these durations; a negative one counts as none."""
        one = dt.timedelta(microseconds=1)
        return cls(Counter(bucket_of(duration // one) for duration in durations))

    @classmethod
    def from_json(cls, stored: Mapping[str, int]) -> Self:
        """From what `as_json` gave."""
        return cls({int(bucket): count for bucket, count in stored.items()})

    def as_json(self) -> dict[str, int]:
        """The counts of the buckets that are not empty, by their numbers as text."""
        return {str(bucket): self._counts[bucket] for bucket in sorted(self._counts)}

    def add(self, other: Histogram) -> None:
        """Count what the other one has counted too."""
        self._counts.update(other._counts)

    @property
    def count(self) -> int:
        return self._counts.total()

    def quantile(self, part: float) -> dt.timedelta | None:
        """The duration that this part of all, 0 to 1, does not exceed: by the nearest rank, and to
        within ERROR. None of an empty histogram."""
        rank = max(math.ceil(part * self.count), 1)
        for bucket in sorted(self._counts):
            rank -= self._counts[bucket]
            if rank <= 0:
                return _middle(bucket)
        return None

    @property
    def p50(self) -> dt.timedelta | None:
        return self.quantile(0.5)

    @property
    def p95(self) -> dt.timedelta | None:
        return self.quantile(0.95)

    @property
    def p99(self) -> dt.timedelta | None:
        return self.quantile(0.99)

    def buckets(self) -> list[tuple[float, int]]:
        """The upper bound in seconds and the count of each bucket that is not empty, rising."""
        return [(GROWTH**bucket / 1e6, self._counts[bucket]) for bucket in sorted(self._counts)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and +self._counts == +other._counts

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Histogram({self.as_json()})"


def _middle(bucket: int) -> dt.timedelta:
    """Of a bucket, so that both its ends are equally far off in proportion."""
    if bucket == 0:
        return dt.timedelta(0)
    return dt.timedelta(microseconds=2 * GROWTH**bucket / (GROWTH + 1))
