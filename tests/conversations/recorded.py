"""Recorded calls for tests, small and of every format."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from conversations.calls.record import RecordedCall, parse_call

REAL_LOG = Path(__file__).resolve().parents[3] / "shared" / "data" / "provider_calls.jsonl"

needs_real_log = pytest.mark.skipif(
    not REAL_LOG.exists(), reason="the log of real calls lies beside the checkout of the project"
)


def chat_usage(prompt: int = 100, completion: int = 20, **more: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        **more,
    }


def chat_record(
    *,
    provider: str = "openai",
    model: str = "gpt-4o-2024-08-06",
    at: str = "2025-05-05T12:00:00+00:00",
    history: list[dict[str, Any]] | None = None,
    asked: str = "Where is my order?",
    answered: str = "On its way.",
    usage: dict[str, Any] | None = None,
    response_id: str = "",
    **more: Any,
) -> dict[str, Any]:
    messages = [*(history or []), {"role": "user", "content": asked}]
    return {
        "provider": provider,
        "endpoint": "chat.completions",
        "model": model,
        "requested_at": at,
        "request": {"model": model, "messages": messages},
        "response": {
            "id": response_id or f"chatcmpl-{provider}-{at}-{asked}",
            "model": model,
            "choices": [{"message": {"role": "assistant", "content": answered}}],
            "usage": chat_usage() if usage is None else usage,
            **more,
        },
    }


def call(**options: Any) -> RecordedCall:
    return parse_call(json.dumps(chat_record(**options)))


def calls_on(*moments: datetime | str, **options: Any) -> list[RecordedCall]:
    return [
        call(at=str(moment), asked=f"Question {number}", **options)
        for number, moment in enumerate(moments)
    ]


def write_log(path: Path, *lines: dict[str, Any] | str) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts))
    return path
