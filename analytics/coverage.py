"""Which periods have messages."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models.functions import TruncDate

from analytics.models import Period
from analytics.periods import Span, site_zone, span_of
from conversations.models import Message


def spans_with_messages(periods: Iterable[Period] = tuple(Period)) -> list[Span]:
    """Every period in which a call was made, oldest first."""
    days = (
        Message.objects.billed()
        .order_by()
        .annotate(day=TruncDate("requested_at", tzinfo=site_zone()))
        .values_list("day", flat=True)
        .distinct()
    )
    found = {span_of(period, day) for day in days for period in periods}
    return sorted(found, key=lambda span: (span.start, span.period))
