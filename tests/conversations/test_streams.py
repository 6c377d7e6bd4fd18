from __future__ import annotations

import json
from typing import Any

import pytest

from conversations.calls.streams import fold
from conversations.calls.transcript import answer_turn
from conversations.exceptions import UsageMissing
from conversations.models import Endpoint
from conversations.usage import TokenUsage, extract_usage

CHAT = [
    {"id": "c1", "model": "gpt-4o", "choices": [{"delta": {"role": "assistant", "content": "I "}}]},
    {"choices": [{"delta": {"content": "look."}}]},
    {
        "choices": [
            {
                "delta": {
                    "tool_calls": [
                        {"index": 0, "id": "call_1", "function": {"name": "find", "arguments": ""}}
                    ]
                }
            }
        ]
    },
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}}]},
    {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
]
MESSAGES = [
    {"type": "message_start", "message": {"id": "m1", "usage": {"input_tokens": 7,
     "cache_read_input_tokens": 5, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Yes."}},
    {"type": "something_new"},
    {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 12, "input_tokens": None}},
    {"type": "message_stop"},
]  # fmt: skip
RESPONSES = [
    {"type": "response.created", "response": {"id": "r1", "usage": None}},
    {"type": "response.output_text.delta", "delta": "Yes"},
    {
        "type": "response.completed",
        "response": {"id": "r1", "output": [], "usage": {"input_tokens": 3, "output_tokens": 2}},
    },
]
GEMINI = [
    {
        "candidates": [{"content": {"parts": [{"text": "Ye"}]}}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 1},
    },
    {
        "candidates": [{"content": {"parts": [{"text": "s."}]}}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 6},
    },
]


def usage_of(provider: str, endpoint: Endpoint, events: object) -> TokenUsage:
    return extract_usage(provider=provider, endpoint=endpoint, response=fold(endpoint, events))


@pytest.mark.parametrize(
    ("provider", "endpoint", "events", "tokens"),
    [
        ("openai", Endpoint.CHAT_COMPLETIONS, CHAT, (9, 0, 4)),
        ("anthropic", Endpoint.MESSAGES, MESSAGES, (7, 5, 12)),
        ("openai", Endpoint.RESPONSES, RESPONSES, (3, 0, 2)),
        ("google", Endpoint.GENERATE_CONTENT, GEMINI, (4, 0, 6)),
    ],
)
def test_a_stream_reports_its_usage_once_at_its_end(
    provider: str, endpoint: Endpoint, events: Any, tokens: tuple[int, int, int]
) -> None:
    sent = "".join(f"event: x\ndata: {json.dumps(event)}\n\n" for event in events)

    for form in (events, sent + "data: [DONE]\n\n"):
        usage = usage_of(provider, endpoint, form)
        assert (usage.input, usage.cache_read, usage.output) == tokens


@pytest.mark.parametrize(
    ("provider", "endpoint", "events"),
    [
        ("openai", Endpoint.CHAT_COMPLETIONS, CHAT[:-1]),
        ("anthropic", Endpoint.MESSAGES, MESSAGES[:-2]),
        ("openai", Endpoint.RESPONSES, RESPONSES[:-1]),
    ],
)
def test_a_stream_that_was_cut_off_has_no_usage(
    provider: str, endpoint: Endpoint, events: Any
) -> None:
    with pytest.raises(UsageMissing):
        usage_of(provider, endpoint, events)


def test_the_pieces_of_a_streamed_tool_call_are_put_together() -> None:
    body = fold(Endpoint.CHAT_COMPLETIONS, CHAT)

    turn = answer_turn(Endpoint.CHAT_COMPLETIONS, body)

    assert turn.text == 'I look.\nfind({"a": 1})'
    assert turn.call_ids == {"call_1"}


def test_groq_sends_the_usage_of_a_stream_aside() -> None:
    events = [{"choices": [], "x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 2}}}]

    assert usage_of("groq", Endpoint.CHAT_COMPLETIONS, events).total == 7


def test_an_error_in_a_stream_is_the_reason_that_it_has_no_usage() -> None:
    events = [*MESSAGES[:2], {"type": "error", "error": {"type": "overloaded_error"}}]

    with pytest.raises(UsageMissing, match="overloaded_error"):
        usage_of("anthropic", Endpoint.MESSAGES, events)


@pytest.mark.parametrize("response", [None, 7, [], "", ["text"], "data: {broken\n"])
def test_what_is_neither_a_body_nor_a_stream_is_refused(response: object) -> None:
    with pytest.raises(ValueError, match=r"must|has"):
        fold(Endpoint.CHAT_COMPLETIONS, response)
