"""A row of bars the height of a line: how often something happened, hour by hour."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.failures.patterns import Trend

BAR, GAP, HEIGHT = 3, 1, 20


def sparkline(trend: Trend) -> SafeString:
    """The trend as bars, the current hour at the right; the tallest bar fills the height. An hour
    with a failure has a bar that can be seen. The words beside it are for who cannot see it."""
    told = f"{trend.amount} in the last {len(trend.counts)} hours, {trend.counts[-1]:,} in this one"
    return bars(trend.counts, told)


def bars(counts: Sequence[int], told: str) -> SafeString:
    """Bars of these heights, the tallest filling the height, with words that tell it."""
    top = max(counts, default=0)
    width = len(counts) * (BAR + GAP)
    drawn = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"></rect>',
        (
            (place * (BAR + GAP), HEIGHT - height, BAR, height)
            for place, count in enumerate(counts)
            if (height := _height(count, top))
        ),
    )
    return format_html(
        '<svg class="jobs-sparkline" role="img" aria-label="{}" width="{}" height="{}" '
        'viewBox="0 0 {} {}"><title>{}</title>{}</svg>',
        told,
        width,
        HEIGHT,
        width,
        HEIGHT,
        told,
        drawn,
    )


def _height(count: int, top: int) -> int:
    return max(2, round(count * HEIGHT / top)) if count else 0
