from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from conversations.catalogue import syncing
from conversations.catalogue.syncing import FIRST_PROVIDERS, sync_prices
from conversations.exceptions import UnknownProvider
from conversations.jobs import sync_model_pricing, sync_pricing_of_all_providers
from conversations.models import AIModel, ModelPrice, PriceSource, Provider
from jobs.models import Workflow

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


def test_the_first_sync_of_a_site_makes_the_providers_it_names() -> None:
    report = sync_prices()

    assert set(Provider.objects.values_list("slug", flat=True)) == set(FIRST_PROVIDERS)
    assert report.providers == len(FIRST_PROVIDERS)
    assert report.prices_created == ModelPrice.objects.count() > 100
    assert AIModel.objects.get(provider__slug="xai", name="grok-4-0709").context_window


def test_a_second_sync_changes_nothing() -> None:
    sync_prices()

    report = sync_prices()

    changes = (report.models_created, report.models_updated, report.prices_created)
    assert (*changes, report.prices_superseded) == (0, 0, 0, 0)


def test_prices_are_dated_and_off_peak_prices_have_their_hours() -> None:
    sync_prices()

    o3 = ModelPrice.objects.filter(model__name="o3").order_by("effective_from")
    assert {price.input_per_million for price in o3} == {Decimal(10), Decimal(2)}
    assert ModelPrice.objects.filter(
        model__provider__slug="deepseek", daily_from__isnull=False
    ).exists()
    tiered = ModelPrice.objects.get(
        model__name="claude-sonnet-4-5", model__provider__slug="anthropic"
    )
    assert tiered.input_per_million == 3
    assert tiered.rates["rates"]["input_mtok"]["tiers"] == [{"above": 200000, "price": "6"}]


def test_a_changed_price_is_a_new_row_beside_the_old_one() -> None:
    sync_prices()
    price = ModelPrice.objects.get(model__name="gpt-4o", model__provider__slug="openai")
    ModelPrice.objects.filter(pk=price.pk).update(
        input_per_million=99, rates={"rates": {"input_mtok": "99"}}, rates_digest="of another list"
    )

    report = sync_prices("openai")

    assert (report.prices_created, report.prices_superseded) == (1, 1)
    old, new = ModelPrice.objects.filter(model=price.model).order_by("pk")
    assert (old.input_per_million, new.input_per_million) == (99, Decimal("2.5"))
    assert old.superseded_at is not None
    assert new.superseded_at is None


def test_a_sites_own_prices_are_left_alone() -> None:
    sync_prices()
    model = AIModel.objects.get(name="gpt-4o", provider__slug="openai")
    own = ModelPrice.objects.create(model=model, input_per_million=1, output_per_million=1)

    sync_prices()

    own.refresh_from_db()
    assert (own.source, own.superseded_at) == (PriceSource.SITE, None)


def test_one_provider_alone_is_synced_by_its_name() -> None:
    Provider.objects.create(slug="groq", name="Groq")
    Provider.objects.create(slug="openai", name="OpenAI")

    result = sync_model_pricing.call(provider="groq")

    assert result["providers"] == 1
    assert set(AIModel.objects.values_list("provider__slug", flat=True)) == {"groq"}


def test_disabled_providers_and_those_without_prices_are_passed_over() -> None:
    Provider.objects.create(slug="groq", name="Groq", enabled=False)
    Provider.objects.create(slug="our-server", name="Ours")

    result = sync_model_pricing.call()

    assert (result["providers"], result["not_in_catalogue"]) == (0, ["our-server"])
    assert not AIModel.objects.exists()


def test_an_unknown_provider_is_an_error_that_names_the_known_ones() -> None:
    Provider.objects.create(slug="groq", name="Groq")

    with pytest.raises(UnknownProvider, match="provider: must be one of groq, not 'grok'"):
        sync_model_pricing.call(provider="grok")


@pytest.mark.django_db(transaction=True)
def test_all_providers_are_synced_in_a_batch_in_which_one_may_fail(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.JOBS_TRANSPORT = "sync"
    caplog.set_level("INFO", logger="conversations.jobs")
    Provider.objects.create(slug="openai", name="OpenAI")
    Provider.objects.create(slug="anthropic", name="Anthropic")
    Provider.objects.create(slug="google", name="Google", enabled=False)
    real = syncing.sync_prices

    def refuse_one(provider: str | None = None) -> Any:
        if provider == "anthropic":
            raise UnknownProvider("anthropic is away today")
        return real(provider)

    monkeypatch.setattr(syncing, "sync_prices", refuse_one)
    sync_pricing_of_all_providers.enqueue()

    flow = Workflow.objects.get(name="model pricing")
    assert (flow.state, flow.total, flow.succeeded, flow.failed) == ("succeeded", 2, 1, 1)
    assert set(ModelPrice.objects.values_list("model__provider__slug", flat=True)) == {"openai"}
    told = [line for line in caplog.records if line.name == "conversations.jobs"]
    assert {line.levelname for line in told} == {"WARNING"}
    assert {line.message.partition(":")[0] for line in told} == {
        "a provider could not be synced",
        "the sync of all providers is over",
    }
    assert "1 of 2 synced, 1 failed" in told[-1].message
