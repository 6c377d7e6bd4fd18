"""What was said in a recorded call, in turns, whatever the provider's format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conversations.models import Endpoint

_ANSWER_ROLES = frozenset({"assistant", "model"})
_SILENT_ROLES = frozenset({"system", "developer"})
_SILENT_PARTS = frozenset({"thinking", "redacted_thinking", "reasoning"})


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything that one side said before the other spoke. `call_ids` are its tool calls'."""

    is_answer: bool
    text: str
    call_ids: frozenset[str] = frozenset()


def request_turns(endpoint: Endpoint, request: Mapping[str, Any]) -> list[Turn]:
    """The history that a request carries, oldest first, without instructions and reasoning."""
    if endpoint is Endpoint.RESPONSES:
        return _merge(_response_items(request.get("input")))
    if endpoint is Endpoint.GENERATE_CONTENT:
        return _merge(map(_content_turn, _mappings(request.get("contents"))))
    return _merge(
        _message_turn(message)
        for message in _mappings(request.get("messages"))
        if message.get("role") not in _SILENT_ROLES
    )


def answer_turn(endpoint: Endpoint, response: Mapping[str, Any]) -> Turn:
    """What the provider answered; an empty turn where it did not."""
    if endpoint is Endpoint.RESPONSES:
        turns = [turn for turn in _response_items(response.get("output")) if turn.is_answer]
    elif endpoint is Endpoint.GENERATE_CONTENT:
        contents = [_mapping(c.get("content")) for c in _mappings(response.get("candidates"))[:1]]
        turns = [_content_turn({**content, "role": "model"}) for content in contents]
    elif endpoint is Endpoint.CHAT_COMPLETIONS:
        messages = [_mapping(c.get("message")) for c in _mappings(response.get("choices"))[:1]]
        turns = [_message_turn({**message, "role": "assistant"}) for message in messages]
    else:
        turns = [_message_turn({"role": "assistant", "content": response.get("content")})]
    merged = _merge(turns)
    return merged[0] if merged else Turn(is_answer=True, text="")


def _merge(turns: Iterable[Turn]) -> list[Turn]:
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].is_answer == turn.is_answer:
            last = merged.pop()
            text = "\n".join(part for part in (last.text, turn.text) if part)
            turn = Turn(turn.is_answer, text, last.call_ids | turn.call_ids)
        merged.append(turn)
    return merged


def _message_turn(message: Mapping[str, Any]) -> Turn:
    """A message of chat completions or of Anthropic's messages."""
    texts, ids = _parts(message.get("content"))
    for call in _mappings(message.get("tool_calls")):
        function = _mapping(call.get("function"))
        texts.append(_call_text(function.get("name"), function.get("arguments")))
        ids.append(call.get("id"))
    is_answer = message.get("role") in _ANSWER_ROLES
    return _turn(is_answer, texts, ids)


def _response_items(items: object) -> Iterator[Turn]:
    """Items of the responses endpoint: messages, tool calls, and what the tools returned."""
    if isinstance(items, str):
        yield Turn(is_answer=False, text=items.strip())
    for item in _mappings(items):
        kind = item.get("type") or "message"
        if kind == "message" and item.get("role") not in _SILENT_ROLES:
            texts, _ = _parts(item.get("content"))
            yield _turn(item.get("role") in _ANSWER_ROLES, texts, [])
        elif kind.endswith("_call_output"):
            yield _turn(False, [_plain(item.get("output"))], [])
        elif kind.endswith("_call"):
            text = _call_text(item.get("name") or kind, item.get("arguments"))
            yield _turn(True, [text], [item.get("call_id")])


def _content_turn(content: Mapping[str, Any]) -> Turn:
    """A content of Gemini's generateContent."""
    texts: list[str] = []
    ids: list[Any] = []
    for part in _mappings(content.get("parts")):
        if part.get("thought"):
            continue
        call, result = _mapping(part.get("functionCall")), _mapping(part.get("functionResponse"))
        if call:
            texts.append(_call_text(call.get("name"), call.get("args")))
            ids.append(call.get("id"))
        elif result:
            texts.append(_plain(result.get("response")))
        elif "text" in part:
            texts.append(str(part["text"]))
        else:
            texts.append(f"[{next(iter(part), 'part')}]")
    return _turn(content.get("role") in _ANSWER_ROLES, texts, ids)


def _parts(content: object) -> tuple[list[str], list[Any]]:
    if isinstance(content, str):
        return [content], []
    texts: list[str] = []
    ids: list[Any] = []
    for part in _mappings(content):
        kind = str(part.get("type", "text"))
        if kind in _SILENT_PARTS:
            continue
        if "text" in part:
            texts.append(str(part["text"]))
        elif kind.endswith("tool_use"):
            texts.append(_call_text(part.get("name"), part.get("input")))
            ids.append(part.get("id"))
        elif kind.endswith("tool_result"):
            texts.append(_plain(part.get("content")))
        else:
            # Images, audio and files: that they were there, not their bytes.
            texts.append(f"[{kind}]")
    return texts, ids


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        texts, _ = _parts(value)
        return "\n".join(texts)
    return "" if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _call_text(name: object, arguments: object) -> str:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return f"{name}({arguments})"
    given = json.dumps(arguments or {}, sort_keys=True, ensure_ascii=False)
    return f"{name}({given})"


def _turn(is_answer: bool, texts: Iterable[object], ids: Iterable[object]) -> Turn:
    stripped = [str(text).strip() for text in texts if text]
    known = frozenset(call_id for call_id in ids if isinstance(call_id, str) and call_id)
    return Turn(is_answer, "\n".join(text for text in stripped if text), known)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
