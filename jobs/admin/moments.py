"""Moments as a browser sends them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.dateparse import parse_datetime

YEARS = range(2, 9999)
"""A moment of the first or the last year may not exist in another time zone."""


def moment_of(text: str) -> dt.datetime:
    """The moment that ISO text is; without a zone, in the current time zone.

    Raises ValueError for what is none, and for a year that cannot be told in every zone.
    """
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError("must be a date and time")
    if moment.year not in YEARS:
        raise ValueError(f"must be in a year from {YEARS[0]} to {YEARS[-1]}")
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


class MomentField(forms.DateTimeField):
    """A date and time that can be told in every time zone."""

    def to_python(self, value: Any) -> dt.datetime | None:
        moment = super().to_python(value)
        if moment is not None and moment.year not in YEARS:
            raise forms.ValidationError(
                f"The year must be from {YEARS[0]} to {YEARS[-1]}.", code="invalid"
            )
        return moment
