from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.utils import timezone

from analytics.models import Period, UsageAnalytics, UserAnalytics
from conversations.demo.loading import demo_calls
from conversations.models import AIModel, Conversation, Endpoint, Message, ModelPrice
from jobs.models import Job
from tests.conversations.conftest import Store
from tests.conversations.recorded import call

pytestmark = pytest.mark.both_databases


def loaded(**options: Any) -> str:
    out = io.StringIO()
    call_command("load_demo", stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db
def test_the_demo_fills_an_empty_site() -> None:
    owner = get_user_model().objects.create_superuser("ada")

    told = loaded(sync=True)

    assert told.startswith("Loaded 30 demo calls")
    assert Message.objects.priced().count() == 28
    assert Message.objects.unpriced().count() == 2
    assert set(Message.objects.values_list("endpoint", flat=True)) == set(Endpoint.values)
    assert Message.objects.filter(cache_read_tokens__gt=0, reasoning_tokens__gt=0).exists()
    assert Conversation.objects.filter(message_count__gt=1, user=owner).exists()
    assert AIModel.objects.exists()
    assert ModelPrice.objects.exists()
    assert {*UsageAnalytics.objects.values_list("period", flat=True)} == {*Period.values}
    assert UserAnalytics.objects.filter(user=owner).exists()


@pytest.mark.django_db
def test_the_demo_is_loaded_once() -> None:
    loaded(sync=True)

    assert loaded() == "There are conversations already; nothing was loaded.\n"
    assert Message.objects.count() == 30


def test_the_demo_is_not_mixed_into_real_conversations(store: Store) -> None:
    store([call()])

    loaded()

    assert Message.objects.count() == 1


@pytest.mark.django_db
def test_the_demos_analytics_are_made_by_jobs() -> None:
    loaded()

    jobs = Job.objects.filter(definition="analytics.jobs.generate_analytics")
    assert jobs.count() > 20
    assert not UsageAnalytics.objects.exists()


def test_the_demos_calls_were_made_in_the_last_weeks() -> None:
    now = timezone.now()

    moments = [recorded.requested_at for recorded in demo_calls(now)]

    assert now - timedelta(days=31) < min(moments)
    assert now - timedelta(hours=1) < max(moments) < now
