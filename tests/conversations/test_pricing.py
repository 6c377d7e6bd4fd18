from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.models import Endpoint
from conversations.money import plain, rounded
from conversations.pricing import SNAPSHOT, Priced, SitePrice, Unpriced, price_usage
from conversations.usage import TokenUsage, extract_usage

MAY = datetime(2025, 5, 5, tzinfo=UTC)


def cost(
    provider: str, model: str, usage: TokenUsage, at: datetime = MAY, **options: object
) -> Decimal:
    result = price_usage(provider=provider, model=model, usage=usage, at=at, **options)  # type: ignore[arg-type]
    assert isinstance(result, Priced), result
    return result.cost


def test_each_class_of_tokens_has_its_own_price() -> None:
    usage = TokenUsage(input=400, cache_read=600, cache_write=100, output=200, reasoning=50)

    # Claude Sonnet 4.5, dollars a million: input 3, read 0.30, write 3.75, output 15.
    expected = Decimal("0.0012") + Decimal("0.00018") + Decimal("0.000375") + Decimal("0.003")
    assert cost("anthropic", "claude-sonnet-4-5-20250929", usage) == expected


def test_reasoning_is_billed_as_output_and_not_beside_it() -> None:
    thinking = TokenUsage(input=1000, output=200, reasoning=200)
    plain_output = TokenUsage(input=1000, output=200)

    both = [cost("openai", "gpt-5-2025-08-07", usage) for usage in (thinking, plain_output)]

    # GPT-5: input 1.25, output 10.
    assert both == [Decimal("0.00325"), Decimal("0.00325")]


def test_cached_input_costs_what_other_input_does_where_no_price_for_it_is_known() -> None:
    cached = TokenUsage(input=40, cache_read=60, output=5)

    # GPT-4: input 30, output 60.
    assert cost("openai", "gpt-4", cached) == Decimal("0.0033")


def test_audio_is_dearer_than_text_in_and_out_of_the_cache() -> None:
    response = {
        "usageMetadata": {
            "promptTokenCount": 3000,
            "cachedContentTokenCount": 1000,
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 1000}],
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 1200},
                {"modality": "AUDIO", "tokenCount": 1800},
            ],
            "candidatesTokenCount": 100,
        }
    }
    usage = extract_usage(provider="google", endpoint=Endpoint.GENERATE_CONTENT, response=response)

    # Gemini 2.5 Flash: text 0.30, audio 1, cached audio 0.10, output 2.50.
    expected = 1200 * Decimal("0.30") + 800 * 1 + 1000 * Decimal("0.10") + 100 * Decimal("2.50")
    assert cost("google", "gemini-2.5-flash", usage) == expected / 1_000_000


def test_a_long_prompt_is_priced_by_its_tier() -> None:
    usage = TokenUsage(input=250_000, output=1_000)

    # Gemini 2.5 Pro above 200,000: input 2.50, output 15.
    assert cost("google", "models/gemini-2.5-pro", usage) == Decimal("0.64")


def test_a_batch_costs_half() -> None:
    usage = TokenUsage(input=1_000_000, output=100_000, service_tier="batch")
    late = datetime(2026, 11, 1, tzinfo=UTC)

    # GPT-5 in a batch: input 0.625, output 5.
    assert cost("openai", "gpt-5", usage, at=late) == Decimal("1.125")


def test_a_call_is_priced_by_the_prices_of_its_day() -> None:
    usage = TokenUsage(input=1_000_000, output=0)
    before, after = datetime(2025, 6, 9, 23, 59, tzinfo=UTC), datetime(2025, 6, 10, tzinfo=UTC)

    assert cost("openai", "o3", usage, at=before) == 10
    assert cost("openai", "o3", usage, at=after) == 2


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "gpt-of-tomorrow"), ("a-server-of-ours", "llama"), ("groq", "groq/compound")],
)
def test_what_the_catalogue_does_not_know_is_unpriced_and_not_free(
    provider: str, model: str
) -> None:
    result = price_usage(
        provider=provider, model=model, usage=TokenUsage(input=5, output=5), at=MAY
    )

    assert result == Unpriced(f"{SNAPSHOT} has no price for the model {model} of {provider}")


def test_a_model_that_is_listed_without_a_price_is_unpriced() -> None:
    result = price_usage(
        provider="mistral", model="mistral-nemo:free", usage=TokenUsage(input=5, output=5), at=MAY
    )

    assert isinstance(result, Unpriced)
    assert "no input price" in result.reason


OWN = [
    SitePrice(key=1, effective_from=None, input=Decimal(1), output=Decimal(2)),
    SitePrice(
        key=2,
        effective_from=date(2025, 5, 5),
        input=Decimal(10),
        output=Decimal(20),
        cache_read=Decimal(0),
    ),
]


def test_a_sites_own_price_goes_before_the_catalogues() -> None:
    usage = TokenUsage(input=100, cache_read=100, cache_write=100, output=100)

    later = cost("openai", "gpt-4o", usage, at=MAY, site_prices=OWN)
    earlier = cost("openai", "gpt-4o", usage, at=datetime(2025, 5, 4, tzinfo=UTC), site_prices=OWN)

    assert later == Decimal("0.004")
    assert earlier == Decimal("0.0005")


def test_a_sites_price_without_a_rate_for_the_output_prices_no_output() -> None:
    half = [SitePrice(key=1, effective_from=None, input=Decimal(1), output=None)]

    result = price_usage(
        provider="x", model="y", usage=TokenUsage(input=1, output=1), at=MAY, site_prices=half
    )

    assert result == Unpriced("this site's price has no rate for output tokens")


@given(
    counts=st.tuples(*[st.integers(0, 10**7)] * 4),
    rates=st.tuples(*[st.decimals(0, 1000, places=6)] * 4),
)
def test_a_cost_is_the_sum_of_its_classes_to_the_twelfth_place(
    counts: tuple[int, int, int, int], rates: tuple[Decimal, Decimal, Decimal, Decimal]
) -> None:
    usage = TokenUsage(
        input=counts[0], cache_read=counts[1], cache_write=counts[2], output=counts[3]
    )
    own = SitePrice(
        key=1,
        effective_from=None,
        input=rates[0],
        cache_read=rates[1],
        cache_write=rates[2],
        output=rates[3],
    )

    exact = sum(count * rate for count, rate in zip(counts, rates, strict=True)) / Decimal(10**6)
    assert cost("x", "y", usage, site_prices=[own]) == rounded(exact)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0.000225000000", "0.000225"), ("1.2", "1.20"), ("100", "100.00"), ("1E+2", "100.00")],
)
def test_amounts_are_written_without_needless_zeros(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text
