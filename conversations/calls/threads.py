"""Which recorded call continues which.

A call names its predecessor in one of four ways, and `continues_key` holds the surest of them:
the provider's id of the previous response, a tool call that it answers, or, as plain chat does,
the whole transcript up to the last answer. A call offers itself under the same names:
`response_id`, and as `reply_key` its tool calls or its transcript.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conversations.calls.record import RecordedCall
from conversations.calls.transcript import Turn, answer_turn, request_turns

RESPONSE_PREFIX = "response:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a call stands: what it says, and its links to the calls before and after it."""

    prompt: str
    answer: str
    opening: str
    conversation_id: str
    response_id: str
    reply_key: str
    continues_key: str


def place_of(call: RecordedCall) -> Place:
    """Read a call's texts and links. `conversation_id` is the provider's own, or ""."""
    history = request_turns(call.endpoint, call.request)
    answer = answer_turn(call.endpoint, call.response)
    asked = [turn.text for turn in history if not turn.is_answer and turn.text]
    return Place(
        prompt=storable(asked[-1] if asked else ""),
        answer=storable(answer.text),
        opening=storable(asked[0] if asked else ""),
        conversation_id=_conversation_id(call.request),
        response_id=_text_id(call.response.get("id") or call.response.get("responseId")),
        reply_key=_reply_key([*history, answer]),
        continues_key=_continues_key(call.request, history),
    )


def storable(text: str) -> str:
    """`text` without what PostgreSQL cannot store: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _reply_key(turns: list[Turn]) -> str:
    answer = turns[-1]
    if answer.call_ids:
        return f"tool:{_digest(min(answer.call_ids))}"
    return f"text:{_digest(_spoken(turns))}" if answer.text else ""


def _continues_key(request: Mapping[str, Any], history: list[Turn]) -> str:
    previous = _text_id(request.get("previous_response_id"))
    if previous:
        return RESPONSE_PREFIX + previous
    answers = [index for index, turn in enumerate(history[:-1]) if turn.is_answer]
    # A history that begins with an answer is a greeting of ours, which no call produced.
    if not answers or answers[-1] == 0:
        return ""
    return _reply_key(history[: answers[-1] + 1])


def _spoken(turns: list[Turn]) -> list[list[object]]:
    return [[turn.is_answer, turn.text] for turn in turns]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _conversation_id(request: Mapping[str, Any]) -> str:
    value = request.get("conversation")
    return _text_id(value.get("id") if isinstance(value, dict) else value)


def _text_id(value: object) -> str:
    return storable(value)[:200] if isinstance(value, str) else ""
