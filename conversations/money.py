"""Sums of costs that are exact on every database."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from django.db.models import BigIntegerField, DecimalField, Func, Sum

COST_PLACES = 12
_SMALLEST = Decimal(1).scaleb(-COST_PLACES)
_UNITS = f"{10**COST_PLACES}.0"


class _SmallestUnits(Func):
    template = f"CAST(ROUND((%(expressions)s) * {_UNITS}) AS INTEGER)"
    output_field = BigIntegerField()


class ExactSum(Sum):
    """The sum of a cost column, to the last of its 12 places.

    SQLite keeps decimals as floats, whose sums drift with the number of rows. There each cost is
    turned back into the whole number of its smallest unit first, and those are added.
    """

    def __init__(self, expression: Any, **extra: Any) -> None:
        extra.setdefault("output_field", DecimalField(max_digits=24, decimal_places=COST_PLACES))
        super().__init__(expression, **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        whole = self.copy()
        column, *others = whole.get_source_expressions()
        whole.set_source_expressions([_SmallestUnits(column), *others])
        sql, params = whole.as_sql(compiler, connection, **extra)
        return f"({sql} / {_UNITS})", params


def rounded(amount: Decimal) -> Decimal:
    """`amount` to the 12 places that are stored, halves to the even neighbour."""
    return amount.quantize(_SMALLEST, rounding=ROUND_HALF_EVEN)


def plain(amount: Decimal) -> str:
    """`amount` without exponent and trailing zeros, with at least two places: `0.003` `1.20`."""
    text = f"{amount.normalize():f}"
    whole, _, places = text.partition(".")
    return f"{whole}.{places.ljust(2, '0')}"
