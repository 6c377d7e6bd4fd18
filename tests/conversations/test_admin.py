from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from analytics.jobs import generate_analytics
from analytics.models import UsageAnalytics
from conversations.archiving.archive import archive_conversation
from conversations.catalogue.syncing import sync_prices
from conversations.jobs import calculate_conversation_costs
from conversations.models import AIModel, Conversation, Message, ModelPrice
from jobs.models import AuditEntry, Job
from jobs.testing import fake_jobs
from tests.conversations.conftest import Store
from tests.conversations.recorded import call, calls_on

pytestmark = pytest.mark.both_databases

LISTS = [
    "conversations_conversation",
    "conversations_message",
    "conversations_aimodel",
    "conversations_modelprice",
    "conversations_provider",
    "analytics_usageanalytics",
    "analytics_useranalytics",
]


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    client.force_login(get_user_model().objects.create_superuser("root"))
    return client


@pytest.fixture
def viewer(client: Client, db: None) -> Client:
    """May see everything and do nothing."""
    user = get_user_model().objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def page(client: Client, name: str, *args: Any, **query: Any) -> str:
    response = client.get(reverse(f"admin:{name}", args=args), query)
    assert response.status_code == 200
    return response.content.decode()


def act(client: Client, action: str, *rows: Any, model: str = "conversations_conversation") -> Any:
    """Choose an action for these rows, and confirm it."""
    data = {
        "action": f"{action}_selected",
        "_selected_action": [row.pk for row in rows],
        "confirmed": "yes",
        "reason": "a test",
    }
    return client.post(reverse(f"admin:{model}_changelist"), data)


@pytest.mark.parametrize("name", LISTS)
def test_every_list_can_be_seen_searched_and_filtered(
    admin: Client, store: Store, name: str
) -> None:
    store([call(), call(asked="unknown", model="gpt-of-tomorrow")])
    sync_prices()
    generate_analytics.call(date="2025-05-05")

    page(admin, f"{name}_changelist")
    if not name.startswith("analytics_usage"):
        page(admin, f"{name}_changelist", q="gpt")


def test_what_has_no_price_says_why_and_never_shows_a_zero(admin: Client, store: Store) -> None:
    store([call(model="<b>gpt</b>"), call(asked="mute", usage={})])
    unpriced, mute = Message.objects.order_by("model_name")

    shown = page(admin, "conversations_message_changelist")
    assert "unpriced: genai-prices" in shown
    assert "unpriced: the response reports no usage" in shown
    assert "<b>gpt</b>" not in shown
    assert "$0" not in shown
    detail = page(admin, "conversations_conversation_change", unpriced.conversation_id)
    assert "1 unpriced" in detail
    assert "<b>gpt</b>" not in detail
    assert "$0" not in page(admin, "conversations_message_change", mute.pk)


def test_a_conversation_shows_its_messages_and_their_costs(admin: Client, store: Store) -> None:
    store([call(asked="Where is <my> order?")])

    shown = page(admin, "conversations_conversation_change", Conversation.objects.get().pk)

    assert "Where is &lt;my&gt; order?" in shown
    assert "On its way." in shown
    assert "$0.00045" in shown


def test_a_long_conversation_shows_its_latest_messages(admin: Client, store: Store) -> None:
    store(calls_on(*[f"2025-05-05T12:{minute:02}:00+00:00" for minute in range(55)]))
    home = Conversation.objects.earliest("pk")
    Message.objects.update(conversation=home)
    Conversation.objects.filter(pk=home.pk).update(message_count=55)

    shown = page(admin, "conversations_conversation_change", home.pk)

    assert "The latest 50; 5 older ones are not shown." in shown
    assert "Question 54" in shown
    assert "Question 4<" not in shown


def test_an_archived_conversation_says_where_its_messages_are(admin: Client, store: Store) -> None:
    store([call()])
    archive_conversation(Conversation.objects.get().pk)

    shown = page(admin, "conversations_conversation_change", Conversation.objects.get().pk)

    assert "1 messages are in the archive." in shown
    assert "$0.00045" in shown


@pytest.mark.parametrize("name", ["conversations_conversation", "conversations_message"])
def test_a_list_needs_as_many_queries_for_many_rows_as_for_few(
    admin: Client, store: Store, name: str
) -> None:
    store(calls_on("2025-05-05T12:00:00+00:00"))
    with CaptureQueriesContext(
        connection,
    ) as few:
        page(admin, f"{name}_changelist")
    store(calls_on(*["2025-05-05T13:00:00+00:00"] * 12, provider="mistral", model="mistral-tiny"))

    with CaptureQueriesContext(connection) as many:
        page(admin, f"{name}_changelist")

    assert len(many) <= len(few)


def test_a_recalculation_is_confirmed_recorded_and_runs_as_jobs(
    admin: Client, store: Store
) -> None:
    store([call(), call(asked="other")])
    rows = list(Conversation.objects.all())
    asked = admin.post(
        reverse("admin:conversations_conversation_changelist"),
        {"action": "recalculate_selected", "_selected_action": [row.pk for row in rows]},
    )
    assert asked.status_code == 200
    assert "2 conversations" in asked.content.decode()
    assert not Job.objects.exists()

    with fake_jobs() as jobs:
        act(admin, "recalculate", *rows)

    for row in rows:
        call_of_row = {"conversation_id": row.pk, "again": True}
        jobs.assert_pushed(calculate_conversation_costs, times=1, kwargs=call_of_row)
    jobs.assert_nothing_else_pushed()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.count, entry.reason) == ("recalculate cost", 2, "a test")


@pytest.mark.django_db(transaction=True)
def test_conversations_can_be_archived_and_restored(
    admin: Client, store: Store, settings: Any
) -> None:
    settings.JOBS_TRANSPORT = "sync"
    store([call()])
    conversation = Conversation.objects.get()

    act(admin, "archive", conversation)
    assert Conversation.objects.get().is_archived

    act(admin, "restore", conversation)
    assert not Conversation.objects.get().is_archived
    assert Message.objects.count() == 1


@pytest.mark.parametrize("action", ["recalculate", "archive", "restore"])
def test_who_may_only_see_can_do_nothing(viewer: Client, store: Store, action: str) -> None:
    store([call()])
    conversation = Conversation.objects.get()
    for name in LISTS:
        page(viewer, f"{name}_changelist")

    act(viewer, action, conversation)
    viewer.post(
        reverse("admin:conversations_conversation_change", args=[conversation.pk]),
        {"title": "changed"},
    )

    assert not Job.objects.exists()
    assert Conversation.objects.get().title == "Where is my order?"
    assert "_selected_action" not in page(viewer, "conversations_conversation_changelist")


def test_calls_and_numbers_are_facts_that_nobody_edits(admin: Client, store: Store) -> None:
    store([call()])
    generate_analytics.call(date="2025-05-05")

    for name, row in (
        ("conversations_message", Message.objects.get()),
        ("analytics_usageanalytics", UsageAnalytics.objects.get()),
    ):
        assert admin.get(reverse(f"admin:{name}_add")).status_code == 403
        assert admin.post(reverse(f"admin:{name}_change", args=[row.pk]), {}).status_code == 403
        assert admin.post(reverse(f"admin:{name}_delete", args=[row.pk]), {}).status_code == 403


def test_analytics_show_their_parts_as_tables(admin: Client, store: Store) -> None:
    store([call(), call(asked="unknown", model="<i>new</i>")])
    generate_analytics.call(date="2025-05-05")

    shown = page(admin, "analytics_usageanalytics_change", UsageAnalytics.objects.get().pk)

    assert "<td>openai/gpt-4o</td><td>1</td><td>120</td><td>$0.00045</td>" in shown
    assert "openai/&lt;i&gt;new&lt;/i&gt;</td><td>1</td><td>120</td><td>1 unpriced</td>" in shown
    assert "$0.00045 and 1 unpriced" in shown


def test_periods_can_be_added_up_again(admin: Client, store: Store) -> None:
    store([call()])
    generate_analytics.call(date="2025-05-05")

    with fake_jobs() as jobs:
        act(admin, "generate", UsageAnalytics.objects.get(), model="analytics_usageanalytics")

    jobs.assert_pushed(generate_analytics, kwargs={"period": "daily", "date": "2025-05-05"})
    jobs.assert_nothing_else_pushed()
    assert AuditEntry.objects.get().action == "generate analytics"


def test_a_price_of_the_site_is_entered_on_the_page_of_its_model(
    admin: Client, store: Store
) -> None:
    store([call(provider="ollama", model="llama")])
    model = AIModel.objects.get()
    shown = page(admin, "conversations_aimodel_change", model.pk)
    assert "The catalogue has no price for this model." in shown

    response = admin.post(
        reverse("admin:conversations_aimodel_change", args=[model.pk]),
        {
            "title": "",
            "context_window": "",
            "prices-TOTAL_FORMS": 1,
            "prices-INITIAL_FORMS": 0,
            "prices-0-effective_from": "",
            "prices-0-input_per_million": "0.5",
            "prices-0-output_per_million": "1",
        },
    )

    assert response.status_code == 302
    price = ModelPrice.objects.get()
    assert (price.source, price.input_per_million) == ("site", 0.5)


def test_the_catalogues_prices_of_a_model_are_listed(admin: Client) -> None:
    sync_prices()
    model = AIModel.objects.get(name="o3", provider__slug="openai")

    shown = page(admin, "conversations_aimodel_change", model.pk)

    assert "<td>ever</td><td>$10.00</td>" in shown
    assert "<td>2025-06-10</td><td>$2.00</td>" in shown
