"""Streamed responses, put together into the body that the same call returns unstreamed.

A stream that was cut off before its usage came yields a body without usage: the tokens up to the
cut are not the tokens that were billed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from conversations.models import Endpoint

Event = dict[str, Any]


def fold(endpoint: Endpoint, response: object) -> dict[str, Any]:
    """Return the body of `response`: itself, or its events (a list, or server-sent text) as one.

    Raises `ValueError` if it is neither.
    """
    if isinstance(response, dict):
        return response
    if isinstance(response, str):
        events = _server_sent(response)
    elif isinstance(response, list) and all(isinstance(event, dict) for event in response):
        events = response
    else:
        raise ValueError("must be an object, a list of the stream's events, or their text")
    if not events:
        raise ValueError("must not be an empty stream")
    return _FOLDS[endpoint](events)


def _server_sent(text: str) -> list[Event]:
    """https://html.spec.whatwg.org/multipage/server-sent-events.html, the `data` lines alone."""
    events: list[Event] = []
    for number, line in enumerate(text.splitlines(), start=1):
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data in ("", "[DONE]"):
            continue
        try:
            event = json.loads(data)
        except ValueError as error:
            raise ValueError(f"has broken JSON in line {number} of its stream") from error
        if not isinstance(event, dict):
            raise ValueError(f"has no object in line {number} of its stream")
        events.append(event)
    return events


def _fold_chat(events: list[Event]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    text: list[str] = []
    calls: dict[int, dict[str, Any]] = {}
    for event in events:
        for key in ("id", "model", "service_tier", "error"):
            if event.get(key):
                body[key] = event[key]
        # Groq sends the usage of a stream inside `x_groq`.
        usage = event.get("usage") or _mapping(event.get("x_groq")).get("usage")
        if usage:
            body["usage"] = usage
        for choice in _mappings(event.get("choices")):
            delta = _mapping(choice.get("delta"))
            text.append(delta.get("content") or "")
            for part in _mappings(delta.get("tool_calls")):
                _add_tool_call(calls, part)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text)}
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return {**body, "choices": [{"message": message}]}


def _add_tool_call(calls: dict[int, dict[str, Any]], part: Event) -> None:
    call = calls.setdefault(part.get("index") or 0, {"function": {"name": "", "arguments": ""}})
    if part.get("id"):
        call["id"] = part["id"]
    function = _mapping(part.get("function"))
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""


def _fold_responses(events: list[Event]) -> dict[str, Any]:
    ends = ("response.completed", "response.incomplete", "response.failed")
    for event in reversed(events):
        if event.get("type") in ends:
            return _mapping(event.get("response"))
        if event.get("type") == "error":
            return {"error": event.get("error") or event}
    started = next((_mapping(event["response"]) for event in events if "response" in event), {})
    return {**started, "usage": None, "status": "interrupted"}


def _fold_messages(events: list[Event]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    final_usage: dict[str, Any] | None = None
    for event in events:
        kind = event.get("type")
        if kind == "message_start":
            body = dict(_mapping(event.get("message")))
        elif kind == "content_block_start":
            blocks[event.get("index", 0)] = dict(_mapping(event.get("content_block")))
        elif kind == "content_block_delta":
            _add_delta(blocks.setdefault(event.get("index", 0), {}), _mapping(event.get("delta")))
        elif kind == "message_delta":
            final_usage = _mapping(event.get("usage"))
        elif kind == "error":
            body["error"] = event.get("error")
    if final_usage is None:
        # What `message_start` says of the output is only its first token.
        body["usage"] = None
    else:
        # The last counts are cumulative, and name only what they repeat.
        reported = {key: value for key, value in final_usage.items() if value is not None}
        body["usage"] = {**_mapping(body.get("usage")), **reported}
    return {**body, "content": [blocks[index] for index in sorted(blocks)]}


def _add_delta(block: dict[str, Any], delta: Event) -> None:
    if delta.get("type") == "text_delta":
        block["type"] = "text"
        block["text"] = block.get("text", "") + delta.get("text", "")
    elif delta.get("type") == "input_json_delta":
        block["partial_input"] = block.get("partial_input", "") + delta.get("partial_json", "")


def _fold_generate_content(events: list[Event]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    parts: list[Any] = []
    for event in events:
        # Each chunk's counts are cumulative, so the last ones stand.
        for key in ("usageMetadata", "modelVersion", "responseId", "promptFeedback", "error"):
            if event.get(key):
                body[key] = event[key]
        for candidate in _mappings(event.get("candidates")):
            parts.extend(_mapping(candidate.get("content")).get("parts") or [])
    return {**body, "candidates": [{"content": {"role": "model", "parts": parts}}]}


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> Iterable[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


_FOLDS: dict[Endpoint, Callable[[list[Event]], dict[str, Any]]] = {
    Endpoint.CHAT_COMPLETIONS: _fold_chat,
    Endpoint.RESPONSES: _fold_responses,
    Endpoint.MESSAGES: _fold_messages,
    Endpoint.GENERATE_CONTENT: _fold_generate_content,
}
