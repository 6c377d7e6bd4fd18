from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from conversations.calls.record import RecordedCall, parse_call
from conversations.calls.threads import place_of
from conversations.models import Conversation, Message
from tests.conversations.conftest import Store
from tests.conversations.recorded import REAL_LOG, call, chat_record, needs_real_log

pytestmark = pytest.mark.both_databases

OPENING = chat_record(
    at="2025-05-05T10:00:00+00:00", asked="Which tyre fits?", answered="45 mm.", response_id="a"
)
FOLLOWING = chat_record(
    at="2025-05-05T10:01:00+00:00",
    history=[
        {"role": "system", "content": "Instructions may change between calls."},
        {"role": "user", "content": "Which tyre fits?"},
        {"role": "assistant", "content": [{"type": "text", "text": "45 mm. "}]},
    ],
    asked="And with mudguards?",
    answered="40 mm.",
    response_id="b",
)
ENDING = chat_record(
    at="2025-05-05T10:02:00+00:00",
    history=[
        {"role": "user", "content": "Which tyre fits?"},
        {"role": "assistant", "content": "45 mm."},
        {"role": "user", "content": "And with mudguards?"},
        {"role": "assistant", "content": "40 mm."},
    ],
    asked="Thanks.",
    response_id="c",
)


def parsed(record: dict[str, Any]) -> RecordedCall:
    return parse_call(json.dumps(record))


@pytest.mark.parametrize("order", list(permutations([OPENING, FOLLOWING, ENDING])))
def test_calls_that_repeat_the_transcript_are_one_conversation_in_any_order(
    store: Store, order: tuple[dict[str, Any], ...]
) -> None:
    for record in order:
        store([parsed(record)])

    conversation = Conversation.objects.get()
    assert conversation.message_count == 3
    assert conversation.total_cost == sum(m.cost or 0 for m in Message.objects.all())


def test_two_openings_with_the_same_words_stay_two_conversations(store: Store) -> None:
    earlier = {**OPENING, "requested_at": "2025-05-05T09:00:00+00:00"}

    store([parsed(earlier), parsed(OPENING), parsed(FOLLOWING)])

    sizes = Conversation.objects.order_by("first_message_at").values_list(
        "message_count", flat=True
    )
    assert list(sizes) == [1, 2]


def test_a_previous_response_id_names_the_call_before(store: Store) -> None:
    first = responses_call("r1", "2025-05-05T10:00:00+00:00")
    second = responses_call("r2", "2025-05-05T10:01:00+00:00", previous_response_id="r1")
    third = responses_call("r3", "2025-05-05T10:02:00+00:00", previous_response_id="r2")

    store([third, first, second])

    assert Conversation.objects.get().message_count == 3


def test_a_conversation_id_of_the_provider_is_one_conversation(store: Store) -> None:
    store([responses_call("r1", "2025-05-05T10:00:00+00:00", conversation="conv_7")])
    store([responses_call("r2", "2025-05-06T10:00:00+00:00", conversation={"id": "conv_7"})])

    assert Conversation.objects.get().source_key == "openai:conv_7"


def test_the_answer_to_a_tool_call_continues_the_call_that_asked_for_it(store: Store) -> None:
    asking = anthropic_call(
        "2025-05-05T10:00:00+00:00",
        [{"role": "user", "content": "Weather?"}],
        [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}],
    )
    telling = anthropic_call(
        "2025-05-05T10:00:05+00:00",
        [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "It was not in the answer."},
                    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sun"}],
            },
        ],
        [{"type": "text", "text": "Sunny."}],
    )

    store([asking, telling])

    assert Conversation.objects.get().message_count == 2
    answered = Message.objects.earliest("requested_at")
    assert answered.content == 'weather({"city": "Rome"})'


def test_conversations_of_two_users_are_not_joined(store: Store) -> None:
    users = get_user_model().objects
    store([parsed(OPENING)], user_id=users.create_user("ada").pk)
    store([parsed(FOLLOWING)], user_id=users.create_user("ben").pk)

    assert Conversation.objects.count() == 2


def test_the_same_words_to_another_provider_are_another_conversation(store: Store) -> None:
    store([parsed(OPENING), parsed({**FOLLOWING, "provider": "mistral"})])

    assert Conversation.objects.count() == 2


def test_pictures_are_named_and_not_stored() -> None:
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    record = chat_record()
    record["request"]["messages"] = [{"role": "user", "content": content}]

    assert place_of(parsed(record)).prompt == "What is this?\n[image_url]"


def test_a_title_is_the_first_question_in_short(store: Store) -> None:
    store([call(asked="long " * 100)])

    title = Conversation.objects.get().title
    assert title.startswith("long long")
    assert len(title) == 120


@needs_real_log
def test_the_real_log_links_the_calls_that_name_one_another() -> None:
    places = [place_of(parse_call(line)) for line in REAL_LOG.read_bytes().splitlines()]
    offered = {place.reply_key for place in places}
    offered |= {f"response:{place.response_id}" for place in places if place.response_id}

    linked = [place for place in places if place.continues_key in offered - {""}]

    assert len(linked) == 34


def responses_call(response_id: str, at: str, **request: Any) -> RecordedCall:
    body = {
        "id": response_id,
        "output": [
            {"type": "message", "role": "assistant", "content": [{"text": f"Yes {response_id}."}]}
        ],
        "usage": {"input_tokens": 5, "output_tokens": 5},
    }
    record = {
        "provider": "openai",
        "endpoint": "responses",
        "model": "gpt-5",
        "requested_at": at,
        "request": {"input": "Go on.", **request},
        "response": body,
    }
    return parsed(record)


def anthropic_call(at: str, messages: list[Any], content: list[Any]) -> RecordedCall:
    return parsed(
        {
            "provider": "anthropic",
            "endpoint": "messages",
            "model": "claude-sonnet-4-5",
            "requested_at": at,
            "request": {"messages": messages},
            "response": {"content": content, "usage": {"input_tokens": 5, "output_tokens": 5}},
        }
    )
