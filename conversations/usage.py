"""The tokens of a recorded response, in the four classes that providers bill.

The price catalogue (genai-prices) knows how each provider reports its usage; a "flavour" is one
of a provider's ways. This module picks the flavour, and mends what the catalogue does not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import Provider as CatalogueProvider
from genai_prices.types import Usage

from conversations.exceptions import UsageMissing
from conversations.models import Endpoint

# The provider whose format each endpoint is, and its flavour of that endpoint. Whoever speaks
# the same format without an own entry in the catalogue is read like its inventor.
_INVENTORS = {
    Endpoint.CHAT_COMPLETIONS: ("openai", "chat"),
    Endpoint.RESPONSES: ("openai", "responses"),
    Endpoint.MESSAGES: ("anthropic", "default"),
    Endpoint.GENERATE_CONTENT: ("google", "default"),
}

# Flavours of a provider's own that fit an endpoint, best first. xAI counts reasoning outside of
# the completion and is right only as "chat": its "default" drops cached and reasoning tokens.
_OWN_FLAVOURS = {
    Endpoint.CHAT_COMPLETIONS: ("chat", "default"),
    Endpoint.RESPONSES: ("responses",),
    Endpoint.MESSAGES: ("anthropic",),
    Endpoint.GENERATE_CONTENT: (),
}

_MOST_TOKENS = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """Tokens of one call. `input`, `cache_read` and `cache_write` do not overlap; `reasoning` is
    the part of `output` that was reasoning. `detail` has the same counts, and finer ones (audio,
    images, how long a cache entry lives), in the units of the price catalogue."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    service_tier: str = ""
    detail: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.input + self.cache_read + self.cache_write + self.output


def reported_usage(endpoint: Endpoint, response: Mapping[str, Any]) -> dict[str, Any] | None:
    """The usage of `response` as the provider wrote it, or None where there is none."""
    key = "usageMetadata" if endpoint is Endpoint.GENERATE_CONTENT else "usage"
    usage = response.get(key)
    return usage if isinstance(usage, dict) and usage else None


def extract_usage(*, provider: str, endpoint: Endpoint, response: Mapping[str, Any]) -> TokenUsage:
    """Return the tokens that `response` reports.

    Raises `UsageMissing`, with the reason, if it reports none, none that can be read, or only
    zeros: a call that was answered used tokens, so zeros would make it look free.
    """
    reported = reported_usage(endpoint, response)
    if reported is None:
        raise UsageMissing(_why_missing(response))
    mended = _mend(provider, endpoint, reported)
    key = "usageMetadata" if endpoint is Endpoint.GENERATE_CONTENT else "usage"
    detail = _read_usage(provider, endpoint, {key: mended})
    result = _in_classes(detail, service_tier(response, reported))
    if result.total == 0:
        raise UsageMissing("the response reports zero tokens for a call that was answered")
    return result


def flavours_for(provider: str, endpoint: Endpoint) -> list[tuple[CatalogueProvider, str]]:
    """The catalogue's entries and flavours that can read this provider's usage, best first."""
    providers = get_snapshot().providers
    inventor, inventors_flavour = _INVENTORS[endpoint]
    choices = [(next(entry for entry in providers if entry.id == inventor), inventors_flavour)]
    own = find_provider_by_id(providers, provider)
    if own is not None and own.id != inventor and own.extractors:
        known = {extractor.api_flavor for extractor in own.extractors}
        flavour = next((name for name in _OWN_FLAVOURS[endpoint] if name in known), None)
        if flavour is not None:
            choices.insert(0, (own, flavour))
    return choices


def service_tier(response: Mapping[str, Any], reported: Mapping[str, Any]) -> str:
    """What the call was served as (`default`, `flex`, `priority`, `batch`, `fast`…), or ""."""
    if reported.get("speed") == "fast":
        return "fast"
    for source, key in (
        (response, "service_tier"),
        (reported, "service_tier"),
        (reported, "serviceTier"),
    ):
        value = source.get(key)
        if isinstance(value, str):
            return value.lower()[:30]
    return ""


def _mend(provider: str, endpoint: Endpoint, reported: dict[str, Any]) -> dict[str, Any]:
    """Move what the catalogue overlooks to where it looks."""
    if endpoint is not Endpoint.CHAT_COMPLETIONS:
        return reported
    details = reported.get("prompt_tokens_details")
    details = dict(details) if isinstance(details, dict) else {}
    if details.get("cached_tokens") is None:
        # Mistral, DeepSeek, and Moonshot, where the standard place is empty.
        for key in ("num_cached_tokens", "prompt_cache_hit_tokens", "cached_tokens"):
            if reported.get(key) is not None:
                details["cached_tokens"] = reported[key]
                reported = {**reported, "prompt_tokens_details": details}
                break
    return _with_hidden_thoughts(reported) if provider in ("google", "gemini") else reported


def _with_hidden_thoughts(reported: dict[str, Any]) -> dict[str, Any]:
    """Gemini's OpenAI-compatible endpoint counts its thoughts in the total alone.

    They are billed as output: https://ai.google.dev/gemini-api/docs/pricing ("including thinking
    tokens").
    """
    counts = [reported.get(key) for key in ("total_tokens", "prompt_tokens", "completion_tokens")]
    if not all(isinstance(count, int) for count in counts):
        return reported
    total, prompt, completion = (int(count or 0) for count in counts)
    hidden = total - prompt - completion
    details = reported.get("completion_tokens_details")
    details = dict(details) if isinstance(details, dict) else {}
    if hidden <= 0:
        return reported
    details["reasoning_tokens"] = (details.get("reasoning_tokens") or 0) + hidden
    return {
        **reported,
        "completion_tokens": completion + hidden,
        "completion_tokens_details": details,
    }


def _read_usage(provider: str, endpoint: Endpoint, body: dict[str, Any]) -> dict[str, int]:
    problem = ""
    for entry, flavour in flavours_for(provider, endpoint):
        try:
            _, usage = entry.extract_usage(body, api_flavor=flavour)
            return _whole_numbers(usage)
        except ValueError as error:
            problem = problem or str(error)
    raise UsageMissing(f"the reported usage cannot be read: {problem}"[:300])


def _whole_numbers(usage: Usage) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for key, value in vars(usage).items():
        if int(value) != value or not 0 <= value <= _MOST_TOKENS:
            raise ValueError(f"{key} must be a whole number up to {_MOST_TOKENS}, not {value}")
        numbers[key] = int(value)
    return numbers


def _in_classes(detail: dict[str, int], tier: str) -> TokenUsage:
    cache_read = detail.get("cache_read_tokens", 0)
    cache_write = detail.get("cache_write_tokens", 0)
    uncached = detail.get("input_tokens", 0) - cache_read - cache_write
    output = detail.get("output_tokens", 0)
    reasoning = detail.get("output_reasoning_tokens", 0)
    if uncached < 0:
        raise UsageMissing("the reported usage cannot be right: more cached tokens than input")
    if reasoning > output:
        raise UsageMissing("the reported usage cannot be right: more reasoning than output")
    return TokenUsage(
        input=uncached,
        cache_read=cache_read,
        cache_write=cache_write,
        output=output,
        reasoning=reasoning,
        service_tier=tier,
        detail={key: value for key, value in detail.items() if value},
    )


def _why_missing(response: Mapping[str, Any]) -> str:
    error = response.get("error")
    if error:
        details = error if isinstance(error, dict) else {"message": error}
        name = details.get("code") or details.get("status") or details.get("type")
        words = [str(word) for word in (name, details.get("message")) if word]
        return f"the provider answered with an error: {': '.join(words) or 'no details'}"[:300]
    status = response.get("status")
    if isinstance(status, str) and status not in ("completed", "complete"):
        return f"the response reports no usage (its status is {status!r})"[:300]
    return "the response reports no usage"
