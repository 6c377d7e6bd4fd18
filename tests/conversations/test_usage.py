from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.exceptions import UsageMissing
from conversations.models import Endpoint
from conversations.usage import TokenUsage, extract_usage


def classes(usage: TokenUsage) -> tuple[int, int, int, int, int]:
    return (usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning)


def chat(provider: str, **usage: Any) -> TokenUsage:
    return extract_usage(
        provider=provider, endpoint=Endpoint.CHAT_COMPLETIONS, response={"usage": usage}
    )


def test_openai_counts_cached_input_and_reasoning_inside_of_its_totals() -> None:
    usage = chat(
        "openai",
        prompt_tokens=1000,
        completion_tokens=200,
        prompt_tokens_details={"cached_tokens": 600},
        completion_tokens_details={"reasoning_tokens": 64},
    )

    assert classes(usage) == (400, 600, 0, 200, 64)


def test_xai_counts_reasoning_outside_of_the_completion() -> None:
    usage = chat(
        "xai",
        prompt_tokens=1000,
        completion_tokens=200,
        prompt_tokens_details={"cached_tokens": 600},
        completion_tokens_details={"reasoning_tokens": 64},
    )

    assert classes(usage) == (400, 600, 0, 264, 64)


def test_mistral_reports_its_cache_in_a_place_of_its_own() -> None:
    usage = chat("mistral", prompt_tokens=100, completion_tokens=29, num_cached_tokens=99)

    assert classes(usage) == (1, 99, 0, 29, 0)


def test_a_cache_that_is_reported_twice_is_counted_once() -> None:
    usage = chat(
        "deepseek",
        prompt_tokens=563,
        completion_tokens=116,
        prompt_cache_hit_tokens=512,
        prompt_cache_miss_tokens=51,
        prompt_tokens_details={"cached_tokens": 512},
    )

    assert classes(usage) == (51, 512, 0, 116, 0)


def test_thoughts_that_gemini_counts_in_the_total_alone_are_output() -> None:
    usage = chat("google", prompt_tokens=35, completion_tokens=12, total_tokens=109)

    assert classes(usage) == (35, 0, 0, 74, 62)


def test_anthropic_reports_its_cache_outside_of_the_input() -> None:
    response = {
        "usage": {
            "input_tokens": 6,
            "cache_read_input_tokens": 1069,
            "cache_creation_input_tokens": 85,
            "cache_creation": {"ephemeral_5m_input_tokens": 80, "ephemeral_1h_input_tokens": 5},
            "output_tokens": 110,
            "output_tokens_details": {"thinking_tokens": 30},
            "service_tier": "batch",
        }
    }

    usage = extract_usage(provider="anthropic", endpoint=Endpoint.MESSAGES, response=response)

    assert classes(usage) == (6, 1069, 85, 110, 30)
    assert usage.detail["cache_write_1h_tokens"] == 5
    assert usage.service_tier == "batch"


def test_gemini_counts_thoughts_beside_its_answer_and_tools_beside_its_prompt() -> None:
    response = {
        "usageMetadata": {
            "promptTokenCount": 46,
            "toolUsePromptTokenCount": 1436,
            "candidatesTokenCount": 293,
            "thoughtsTokenCount": 980,
            "totalTokenCount": 2755,
        }
    }

    usage = extract_usage(provider="google", endpoint=Endpoint.GENERATE_CONTENT, response=response)

    assert classes(usage) == (1482, 0, 0, 1273, 980)
    assert usage.total == 2755


@pytest.mark.parametrize("provider", ["openai", "xai", "deepseek", "a-server-of-ours"])
def test_the_responses_endpoint_is_read_alike_for_all_who_speak_it(provider: str) -> None:
    response = {
        "usage": {
            "input_tokens": 366,
            "input_tokens_details": {"cached_tokens": 256},
            "output_tokens": 63,
            "output_tokens_details": {"reasoning_tokens": 18},
        }
    }

    usage = extract_usage(provider=provider, endpoint=Endpoint.RESPONSES, response=response)

    assert classes(usage) == (110, 256, 0, 63, 18)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({}, "the response reports no usage"),
        ({"usage": None, "status": "queued"}, "(its status is 'queued')"),
        ({"usage": []}, "the response reports no usage"),
        (
            {"error": {"code": 429, "message": "Slow down"}},
            "the provider answered with an error: 429: Slow down",
        ),
        ({"error": "broken"}, "the provider answered with an error: broken"),
        ({"usage": {"prompt_tokens": 0, "completion_tokens": 0}}, "zero tokens"),
        ({"usage": {"prompt_tokens": "12", "completion_tokens": 1}}, "cannot be read"),
        ({"usage": {"prompt_tokens": -1, "completion_tokens": 1}}, "cannot be read"),
        ({"usage": {"prompt_tokens": 1.5, "completion_tokens": 1}}, "whole number"),
        ({"usage": {"prompt_tokens": 10**30, "completion_tokens": 1}}, "whole number"),
        (
            {
                "usage": {
                    "prompt_tokens": 5,
                    "completion_tokens": 1,
                    "prompt_tokens_details": {"cached_tokens": 6},
                }
            },
            "more cached tokens than input",
        ),
    ],
)
def test_usage_that_is_missing_or_wrong_is_not_made_up(
    response: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UsageMissing) as caught:
        extract_usage(provider="openai", endpoint=Endpoint.CHAT_COMPLETIONS, response=response)

    assert reason in str(caught.value)


tokens = st.integers(min_value=0, max_value=10**9)


@given(uncached=tokens, cached=tokens, visible=tokens, thoughts=tokens)
def test_no_token_is_lost_or_counted_twice(
    uncached: int, cached: int, visible: int, thoughts: int
) -> None:
    reported = {
        "prompt_tokens": uncached + cached,
        "completion_tokens": visible + thoughts + 1,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thoughts},
    }

    usage = chat("openai", **reported)

    assert classes(usage) == (uncached, cached, 0, visible + thoughts + 1, thoughts)
    assert usage.total == reported["prompt_tokens"] + reported["completion_tokens"]
