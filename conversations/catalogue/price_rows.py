"""The catalogue's prices of a model as rows of ours."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from genai_prices.types import ModelPrice as CataloguePrice

from conversations.models import AIModel, ModelPrice, PriceSource
from conversations.pricing import SNAPSHOT

_COLUMNS = {
    "input_per_million": "input_mtok",
    "cache_read_per_million": "cache_read_mtok",
    "cache_write_per_million": "cache_write_mtok",
    "output_per_million": "output_mtok",
}


def price_rows(model: AIModel, info: ModelInfo) -> list[ModelPrice]:
    """Unsaved rows for every dated or off-peak price that the catalogue has of one model.

    The columns hold the base rates; `rates` holds all of the entry, tiers and variants included.
    """
    prices = (
        info.prices if isinstance(info.prices, list) else [ConditionalPrice(prices=info.prices)]
    )
    variants = [
        {
            "when": variant.when,
            "from": _first_day(variant.constraint),
            "rates": _rates(variant.prices),
        }
        for variant in info.price_variants or []
    ]
    rows = [_row(model, price, variants) for price in prices if _rates(price.prices)]
    return list({identity(row): row for row in rows}.values())


def identity(row: ModelPrice) -> tuple[Any, ...]:
    """What makes two rows of the catalogue the same price."""
    dates = (row.effective_from, row.daily_from, row.daily_until)
    return (row.model_id, *dates, row.rates_digest)


def _row(model: AIModel, price: ConditionalPrice, variants: list[dict[str, Any]]) -> ModelPrice:
    limits = price.constraint
    daily = limits if isinstance(limits, TimeOfDateConstraint) else None
    whole = {"rates": _rates(price.prices), "variants": variants}
    return ModelPrice(
        model=model,
        source=PriceSource.CATALOGUE,
        effective_from=limits.start_date if isinstance(limits, StartDateConstraint) else None,
        daily_from=_utc(daily.start_time) if daily else None,
        daily_until=_utc(daily.end_time) if daily else None,
        rates=whole,
        rates_digest=hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest(),
        snapshot=SNAPSHOT,
        **{column: _base(price.prices, key) for column, key in _COLUMNS.items()},
    )


def _rates(prices: CataloguePrice) -> dict[str, Any]:
    return {
        key: _rate(value)
        for key, value in sorted(vars(prices).items())
        if value is not None and not key.startswith("_")
    }


def _rate(value: Decimal | TieredPrices) -> Any:
    if isinstance(value, TieredPrices):
        tiers = [{"above": tier.start, "price": str(tier.price)} for tier in value.tiers]
        return {"base": str(value.base), "tiers": tiers}
    return str(value)


def _base(prices: CataloguePrice, key: str) -> Decimal | None:
    value = getattr(prices, key)
    return value.base if isinstance(value, TieredPrices) else value


def _first_day(limits: StartDateConstraint | TimeOfDateConstraint | None) -> str | None:
    return limits.start_date.isoformat() if isinstance(limits, StartDateConstraint) else None


def _utc(moment: time) -> time:
    if moment.tzinfo is None:
        return moment
    return datetime.combine(date(2000, 1, 1), moment).astimezone(UTC).time()
