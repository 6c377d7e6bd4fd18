from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections, transaction

from conversations import costs
from conversations.costs import cost_conversation, cost_messages, refresh_totals
from conversations.jobs import (
    batch_cost_calculation,
    calculate_conversation_costs,
    calculate_message_cost,
    cost_uncosted_messages,
)
from conversations.models import AIModel, Conversation, CostStatus, Message, ModelPrice
from conversations.sweeping import refresh_all_totals, uncosted_batches
from jobs.testing import fake_jobs
from tests.conversations.conftest import Store
from tests.conversations.recorded import call, calls_on

pytestmark = pytest.mark.both_databases

NOON = "2025-05-05T12:00:00+00:00"


def test_costs_are_stored_with_the_list_they_come_from(store: Store) -> None:
    store([call()])

    message = Message.objects.get()
    # GPT-4o: input 2.50, output 10, for 100 and 20 tokens.
    assert message.cost == Decimal("0.00045")
    assert message.price_snapshot.startswith("genai-prices ")
    assert message.currency == "USD"
    assert Conversation.objects.get().total_cost == Decimal("0.00045")


def test_costing_again_changes_nothing(store: Store) -> None:
    ids = store(calls_on(NOON, NOON, NOON)).uncosted
    before = list(Message.objects.order_by("pk").values("pk", "cost", "cost_status"))

    repeated, forced = cost_messages(ids), cost_messages(ids, again=True)

    assert (repeated.priced, forced.priced) == (0, 3)
    assert list(Message.objects.order_by("pk").values("pk", "cost", "cost_status")) == before


def test_one_message_that_breaks_does_not_stop_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ids = store(calls_on(NOON, NOON, NOON), costed=False).uncosted
    price = costs.price_message

    def breaking(message: Message, *args: Any) -> Any:
        if message.pk == ids[1]:
            raise ArithmeticError("no such number")
        return price(message, *args)

    monkeypatch.setattr(costs, "price_message", breaking)

    result = batch_cost_calculation.call(message_ids=ids)

    assert (result["priced"], result["unpriced"]) == (2, 1)
    assert result["failed"] == [{"message_id": ids[1], "error": "ArithmeticError: no such number"}]
    broken = Message.objects.get(pk=ids[1])
    assert broken.cost_status == CostStatus.UNPRICED
    assert "ArithmeticError" in broken.unpriced_reason
    assert "Cost calculation failed" in caplog.text


def test_a_conversations_total_says_what_is_missing_from_it(store: Store) -> None:
    store([call(), call(asked="unknown", model="gpt-of-tomorrow")])
    first, other = Conversation.objects.order_by("pk")
    Message.objects.filter(conversation=other).update(conversation=first)

    assert refresh_totals([first.pk]) == 1

    first.refresh_from_db()
    assert (first.message_count, first.unpriced_messages) == (2, 1)
    assert first.total_cost == Decimal("0.00045")


def test_a_total_is_a_sum_and_heals_itself(store: Store) -> None:
    store([call()])
    Conversation.objects.update(total_cost=99, message_count=7)

    assert refresh_all_totals() == 1

    assert Conversation.objects.get().total_cost == Decimal("0.00045")
    assert Conversation.objects.get().message_count == 1


def test_sums_of_many_small_costs_are_exact(store: Store) -> None:
    store([call()])
    first = Message.objects.get()
    Message.objects.bulk_create(
        Message(
            conversation=first.conversation, cost=Decimal("0.000000000001"), cost_status="priced"
        )
        for _ in range(2500)
    )
    Message.objects.filter(pk=first.pk).update(cost=Decimal("123.456789012345"))

    refresh_totals([first.conversation_id])

    assert Conversation.objects.get().total_cost == Decimal("123.456789014845")


def test_a_sites_own_price_prices_what_the_catalogue_cannot(store: Store) -> None:
    store([call(provider="ollama", model="llama")])
    message = Message.objects.get()
    assert message.cost_status == CostStatus.UNPRICED
    ModelPrice.objects.create(
        model=AIModel.objects.get(), input_per_million=1, output_per_million=Decimal("0.5")
    )

    cost_conversation(message.conversation_id, again=True)

    message.refresh_from_db()
    assert message.cost == Decimal("0.00011")
    assert message.price_snapshot.startswith("site price ")
    assert Conversation.objects.get().unpriced_messages == 0


def test_a_conversation_or_message_that_is_gone_is_passed_over(db: None) -> None:
    nothing = {"priced": 0, "unpriced": 0, "failed": [], "conversations": 0}

    assert calculate_conversation_costs.call(conversation_id=404) == nothing
    assert calculate_message_cost.call(message_id=404) == nothing


def test_the_sweep_takes_the_oldest_in_chunks_up_to_its_limit(store: Store, settings: Any) -> None:
    ids = store(calls_on(*[NOON] * 7), costed=False).uncosted

    assert uncosted_batches(limit=5, chunk=2) == [ids[0:2], ids[2:4], ids[4:5]]
    with fake_jobs() as jobs:
        assert cost_uncosted_messages.call(limit=5, chunk=2) == {"messages": 5, "jobs": 3}
    jobs.assert_pushed(batch_cost_calculation, times=3)
    with pytest.raises(ValueError, match="limit: must be at least 1, not 0"):
        uncosted_batches(limit=0)


@pytest.mark.django_db(transaction=True)
def test_the_sweep_leaves_nothing_uncosted(store: Store, settings: Any) -> None:
    store(calls_on(*[NOON] * 5), costed=False)
    settings.JOBS_TRANSPORT = "sync"

    cost_uncosted_messages.enqueue()

    assert not Message.objects.uncosted().exists()
    assert Conversation.objects.filter(total_cost=Decimal("0.00045")).count() == 5


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_costings_of_one_conversation_add_up(store: Store) -> None:
    ids = store(calls_on(*[NOON] * 40), costed=False).uncosted
    home = Conversation.objects.earliest("pk")
    Message.objects.update(conversation=home)
    barrier = threading.Barrier(4)

    def work(part: list[int]) -> None:
        try:
            barrier.wait(10)
            for message_id in part:
                cost_messages([message_id])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(ids[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    home.refresh_from_db()
    assert (home.message_count, home.pending_messages) == (40, 0)
    assert home.total_cost == 40 * Decimal("0.00045")


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_total_waits_for_who_changes_the_conversation(store: Store) -> None:
    store([call()])
    conversation = Conversation.objects.get()
    refreshed = threading.Thread(target=_refresh, args=(conversation.pk,))

    with transaction.atomic():
        costs.lock_conversations([conversation.pk])
        refreshed.start()
        _wait_until_somebody_waits_for_a_lock()
        Message.objects.update(cost=Decimal(7))
    refreshed.join(30)

    conversation.refresh_from_db()
    assert conversation.total_cost == 7


def _refresh(conversation_id: int) -> None:
    try:
        refresh_totals([conversation_id])
    finally:
        connections.close_all()


def _wait_until_somebody_waits_for_a_lock() -> None:
    from tests.support.waiting import wait_until

    def waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1")
            return cursor.fetchone() is not None

    wait_until(waiting, message="nobody waits for the conversation")
