"""What a call costs, by the price list of its day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import genai_prices
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Usage
from genai_prices.types import Provider as CatalogueProvider

from conversations.money import rounded
from conversations.usage import TokenUsage

SNAPSHOT = f"genai-prices {genai_prices.__version__}"

_PER_MILLION = Decimal(1_000_000)
_TOO_MUCH = Decimal(10**8)


@dataclass(frozen=True, slots=True)
class Priced:
    """A cost in US dollars, with 12 places, and the price list it comes from."""

    cost: Decimal
    snapshot: str


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Why no cost can be told. It is not nothing; nobody knows it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePrice:
    """A site's own price for a model: dollars for a million tokens of each class.

    Without a rate of its own, cached input costs what other input costs.
    """

    key: int
    effective_from: date | None
    input: Decimal | None
    output: Decimal | None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None


def price_usage(
    *,
    provider: str,
    model: str,
    usage: TokenUsage,
    at: datetime,
    site_prices: Iterable[SitePrice] = (),
) -> Priced | Unpriced:
    """Price one call made at `at` (aware).

    The site's own price goes first, the latest that had begun on that day in UTC; then the
    catalogue's, with its tiers, its variants by service tier, and its prices of that day.
    """
    own = _latest(site_prices, at.astimezone(UTC).date())
    result = _by_site(own, usage) if own else _by_catalogue(provider, model, usage, at)
    if isinstance(result, Priced) and result.cost >= _TOO_MUCH:
        return Unpriced(f"the computed cost of {result.cost:f} cannot be right")
    return result


def find_in_catalogue(provider: str, model: str) -> tuple[CatalogueProvider, ModelInfo] | None:
    """The catalogue's entry for a model as a response names it, or None."""
    # Gemini answers with the resource's full name where it was asked so.
    name = model.removeprefix("models/")
    try:
        return get_snapshot().find_provider_model(name, None, provider, None)
    except LookupError:
        return None


def price_context(service_tier: str) -> dict[str, str]:
    """What selects a variant of the catalogue's prices: batches and fast lanes cost otherwise."""
    if not service_tier:
        return {}
    context = {"service_tier": service_tier}
    if service_tier == "batch":
        context["processing"] = "batch"
    elif service_tier == "fast":
        context["speed"] = "fast"
    return context


def _latest(prices: Iterable[SitePrice], day: date) -> SitePrice | None:
    begun = [price for price in prices if (price.effective_from or date.min) <= day]
    return max(begun, key=lambda price: price.effective_from or date.min, default=None)


def _by_site(price: SitePrice, usage: TokenUsage) -> Priced | Unpriced:
    classes = (
        ("input", usage.input, price.input),
        ("cache read", usage.cache_read, _either(price.cache_read, price.input)),
        ("cache write", usage.cache_write, _either(price.cache_write, price.input)),
        ("output", usage.output, price.output),
    )
    cost = Decimal(0)
    for name, tokens, rate in classes:
        if tokens and rate is None:
            return Unpriced(f"this site's price has no rate for {name} tokens")
        cost += tokens * (rate or Decimal(0))
    return Priced(rounded(cost / _PER_MILLION), f"site price {price.key}")


def _either(rate: Decimal | None, otherwise: Decimal | None) -> Decimal | None:
    return otherwise if rate is None else rate


def _by_catalogue(provider: str, model: str, usage: TokenUsage, at: datetime) -> Priced | Unpriced:
    found = find_in_catalogue(provider, model)
    if found is None:
        return Unpriced(f"{SNAPSHOT} has no price for the model {model} of {provider}"[:300])
    entry, info = found
    context = price_context(usage.service_tier)
    missing = _rate_missing(info.get_prices(at, context), usage)
    if missing:
        return Unpriced(
            f"{SNAPSHOT} has no {missing} price for the model {model} of {provider}"[:300]
        )
    try:
        calculation = info.calc_price(
            Usage(**_catalogue_units(usage)),
            entry,
            genai_request_timestamp=at,
            price_context=context,
        )
    except ValueError as error:
        return Unpriced(f"{SNAPSHOT} cannot price the model {model} of {provider}: {error}"[:300])
    return Priced(rounded(calculation.total_price), SNAPSHOT)


def _rate_missing(price: ModelPrice, usage: TokenUsage) -> str:
    """The direction that the entry has no rate for: the catalogue would count it as free."""
    rates = {key for key, value in vars(price).items() if value is not None}
    if usage.total > usage.output and not any(key.startswith("input") for key in rates):
        return "input"
    if usage.output and not any(key.startswith("output") for key in rates):
        return "output"
    return ""


def _catalogue_units(usage: TokenUsage) -> Mapping[str, int]:
    return usage.detail or {
        "input_tokens": usage.input + usage.cache_read + usage.cache_write,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "output_tokens": usage.output,
        "output_reasoning_tokens": usage.reasoning,
    }
