from __future__ import annotations

import io
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from analytics.jobs import generate_analytics, generate_user_analytics
from analytics.models import Period, UsageAnalytics, UserAnalytics
from analytics.periods import UnknownPeriod, span_of
from analytics.rollup import roll_up
from conversations.archiving.archive import archive_conversation
from conversations.models import Conversation, Message
from tests.conversations.conftest import Store
from tests.conversations.recorded import call, calls_on, chat_usage

pytestmark = pytest.mark.both_databases

EACH = Decimal("0.00045")


def row(period: str = "daily", day: date = date(2025, 5, 5)) -> UsageAnalytics:
    return UsageAnalytics.objects.get(period=period, date=day)


def test_a_day_has_its_calls_tokens_costs_and_users(store: Store) -> None:
    user = get_user_model().objects.create_user("ada")
    store([call(at="2025-05-05T10:00:00+00:00")], user_id=user.pk)
    store(
        [
            call(
                at="2025-05-05T11:00:00+00:00",
                provider="mistral",
                model="mistral-large-2411",
                usage=chat_usage(100, 20, prompt_tokens_details={"cached_tokens": 40}),
            ),
            call(at="2025-05-05T12:00:00+00:00", model="gpt-of-tomorrow"),
            call(at="2025-05-05T13:00:00+00:00", asked="broken", usage={}),
            call(at="2025-05-06T00:00:00+00:00", asked="tomorrow"),
        ]
    )

    result = generate_analytics.call(period="daily", date="2025-05-05")

    found = row()
    assert (result["requests"], result["users"]) == (4, 1)
    assert (found.total_requests, found.unpriced_requests, found.unique_users) == (4, 2, 1)
    assert (found.total_tokens, found.cache_read_tokens) == (360, 40)
    assert found.total_cost == sum(m.cost or 0 for m in Message.objects.all()) - EACH
    assert found.provider_breakdown["openai"] == {
        "requests": 3,
        "unpriced": 2,
        "pending": 0,
        "tokens": 240,
        "cost": "0.00045",
    }
    assert set(found.model_breakdown) == {
        "openai/gpt-4o",
        "openai/gpt-of-tomorrow",
        "mistral/mistral-large",
    }


def test_a_period_added_up_twice_is_one_row_with_the_same_numbers(store: Store) -> None:
    store(calls_on("2025-05-05T10:00:00+00:00"))
    span = span_of(Period.DAILY, date(2025, 5, 5))
    roll_up(span)
    first = UsageAnalytics.objects.values().get()

    roll_up(span)

    second = UsageAnalytics.objects.values().get()
    assert {**first, "generated_at": None} == {**second, "generated_at": None}


def test_weeks_and_months_take_what_lies_between_their_ends(store: Store) -> None:
    store(
        calls_on(
            "2025-04-30T23:59:59.999999+00:00",
            "2025-05-01T00:00:00+00:00",
            "2025-05-04T23:59:59.999999+00:00",
            "2025-05-05T00:00:00+00:00",
            "2025-05-11T23:59:59.999999+00:00",
            "2025-05-12T00:00:00+00:00",
            "2025-05-31T23:59:59.999999+00:00",
            "2025-06-01T00:00:00+00:00",
        )
    )

    generate_analytics.call(period="weekly", date="2025-05-07")
    generate_analytics.call(period="monthly", date="2025-05-07")

    week, month = row("weekly", date(2025, 5, 5)), row("monthly", date(2025, 5, 1))
    assert (week.total_requests, week.total_cost) == (2, 2 * EACH)
    assert (month.total_requests, month.total_cost) == (6, 6 * EACH)


def test_a_call_late_in_the_evening_belongs_to_the_sites_day(store: Store, settings: Any) -> None:
    settings.TIME_ZONE = "America/New_York"
    store(calls_on("2025-05-06T03:30:00+00:00"))

    for day in ("2025-05-05", "2025-05-06"):
        generate_analytics.call(date=day)

    assert row(day=date(2025, 5, 5)).total_requests == 1
    assert row(day=date(2025, 5, 6)).total_requests == 0


def test_users_have_rows_of_their_own(store: Store) -> None:
    users = [get_user_model().objects.create_user(name) for name in ("ada", "ben")]
    moments = ("2025-05-05T10:00:00+00:00", "2025-05-05T11:00:00+00:00")
    store(calls_on(*moments), user_id=users[0].pk)
    store(calls_on("2025-05-05T12:00:00+00:00"), user_id=users[1].pk)
    store([call(at="2025-05-05T13:00:00+00:00", asked="nobody's")])

    generate_analytics.call(date="2025-05-05")

    shares = UserAnalytics.objects.order_by("user__username")
    assert list(shares.values_list("total_requests", "conversations", "total_cost")) == [
        (2, 2, 2 * EACH),
        (1, 1, EACH),
    ]
    assert row().unique_users == 2
    assert row().total_requests == 4


def test_a_share_that_is_nobodys_any_more_goes(store: Store) -> None:
    user = get_user_model().objects.create_user("ada")
    store(calls_on("2025-05-05T10:00:00+00:00"), user_id=user.pk)
    generate_analytics.call(date="2025-05-05")
    Conversation.objects.update(user=None)

    generate_analytics.call(date="2025-05-05")

    assert not UserAnalytics.objects.exists()


def test_one_user_can_be_added_up_alone(store: Store) -> None:
    user = get_user_model().objects.create_user("ada")
    store(calls_on("2025-05-05T10:00:00+00:00"), user_id=user.pk)

    generate_user_analytics.call(user_id=user.pk, date="2025-05-31")
    generate_user_analytics.call(user_id=user.pk, period="daily", date="2025-05-06")

    found = UserAnalytics.objects.order_by("date").values_list("date", "total_requests")
    assert list(found) == [(date(2025, 5, 1), 1), (date(2025, 5, 6), 0)]
    assert not UsageAnalytics.objects.exists()


def test_a_user_who_is_gone_is_passed_over(db: None) -> None:
    assert generate_user_analytics.call(user_id=404) == {"user": 404, "found": False}
    assert not UserAnalytics.objects.exists()


def test_archiving_takes_nothing_from_the_numbers(store: Store) -> None:
    store(calls_on("2025-05-05T10:00:00+00:00", "2025-05-05T11:00:00+00:00"))
    generate_analytics.call(date="2025-05-05")
    archive_conversation(Conversation.objects.earliest("pk").pk)

    result = generate_analytics.call(date="2025-05-05")

    assert result["kept"]
    assert row().total_requests == 2
    roll_up(span_of(Period.DAILY, date(2025, 5, 5)), force=True)
    assert (row().total_requests, row().incomplete) == (1, True)


def test_a_period_first_added_up_after_archiving_says_that_it_is_incomplete(
    store: Store,
) -> None:
    store(calls_on("2025-05-05T10:00:00+00:00", "2025-05-05T11:00:00+00:00"))
    archive_conversation(Conversation.objects.earliest("pk").pk)

    generate_analytics.call(date="2025-05-05")

    assert (row().total_requests, row().incomplete) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"period": "hourly"}, UnknownPeriod, "period: must be one of"),
        ({"date": "today"}, ValueError, "date: must be a date"),
    ],
)
def test_a_wrong_argument_is_refused_and_writes_nothing(
    db: None, arguments: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        generate_analytics.call(**arguments)

    assert not UsageAnalytics.objects.exists()


def test_the_command_adds_up_every_period_with_messages(store: Store) -> None:
    store(calls_on("2025-05-05T10:00:00+00:00", "2025-06-30T10:00:00+00:00"))
    out = io.StringIO()

    call_command("generate_analytics", all=True, json=True, stdout=out)

    written = {(item["period"], item["date"]) for item in json.loads(out.getvalue())}
    assert written == {
        ("daily", "2025-05-05"),
        ("weekly", "2025-05-05"),
        ("monthly", "2025-05-01"),
        ("daily", "2025-06-30"),
        ("weekly", "2025-06-30"),
        ("monthly", "2025-06-01"),
    }
    assert UsageAnalytics.objects.count() == 6


def test_the_command_refuses_what_is_no_date(db: None) -> None:
    with pytest.raises(CommandError, match="--date: must be a date"):
        call_command("generate_analytics", date="today")
