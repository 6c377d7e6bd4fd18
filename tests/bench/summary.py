"""From samples to figures: medians, spread, percentiles, ratios."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """The rounds of one measure."""

    median: float
    min: float
    max: float
    rounds: int

    @property
    def spread(self) -> float:
        """From the lowest to the highest, as a share of the median."""
        return (self.max - self.min) / self.median if self.median else 0.0


def summarize(values: Sequence[float]) -> Summary:
    """Raises ValueError without values."""
    if not values:
        raise ValueError("values: there must be at least one round")
    return Summary(statistics.median(values), min(values), max(values), len(values))


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that `share` of the samples (0 to 1) are not above (nearest rank).

    Raises ValueError without samples, or for another share.
    """
    if not samples:
        raise ValueError("samples: there must be at least one")
    if not 0 <= share <= 1:
        raise ValueError(f"share: {share!r} must be between 0 and 1")
    rank = max(1, math.ceil(share * len(samples)))
    return sorted(samples)[rank - 1]
