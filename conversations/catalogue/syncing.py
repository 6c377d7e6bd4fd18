"""Bringing the site's models and prices up to the price catalogue."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone
from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import ModelInfo
from genai_prices.types import Provider as CatalogueProvider

from conversations.catalogue.lookup import FIRST_PROVIDERS
from conversations.catalogue.price_rows import identity, price_rows
from conversations.exceptions import UnknownProvider
from conversations.models import AIModel, ModelPrice, Provider
from conversations.pricing import SNAPSHOT

_FACTS = ("title", "context_window", "deprecated", "in_catalogue")


@dataclass(slots=True, kw_only=True)
class SyncReport:
    """What a price sync changed. `not_in_catalogue` names providers without prices there."""

    providers: int = 0
    models_created: int = 0
    models_updated: int = 0
    prices_created: int = 0
    prices_superseded: int = 0
    not_in_catalogue: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "snapshot": SNAPSHOT}


def sync_prices(provider: str | None = None) -> SyncReport:
    """Bring models and prices of one provider, or of all enabled ones, up to the catalogue.

    A changed price becomes a new row beside the old one; nothing is overwritten, and what a site
    entered by hand stays. A second run changes nothing. Raises `UnknownProvider` if `provider`
    is no provider's slug.
    """
    report = SyncReport()
    for row in _providers(provider):
        entry = find_provider_by_id(get_snapshot().providers, row.slug)
        if entry is None:
            report.not_in_catalogue.append(row.slug)
            continue
        with transaction.atomic():
            # Two syncs of one provider at once would both see the same prices as new.
            Provider.objects.select_for_update().get(pk=row.pk)
            models = _sync_models(row, entry, report)
            _sync_price_rows(entry, models, report)
        report.providers += 1
    return report


def slugs_to_sync() -> list[str]:
    """The enabled providers, by their slugs; on a new site those it begins with."""
    return [row.slug for row in _providers(None)]


def _providers(slug: str | None) -> list[Provider]:
    if not Provider.objects.exists():
        # The first sync of a site; from then on its providers belong to the admin.
        rows = [Provider(slug=key, name=name) for key, name in FIRST_PROVIDERS.items()]
        Provider.objects.bulk_create(rows, ignore_conflicts=True)
    if slug is None:
        return list(Provider.objects.enabled().order_by("slug"))
    found = Provider.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Provider.objects.order_by("slug").values_list("slug", flat=True))
        raise UnknownProvider(f"provider: must be one of {known}, not {slug!r}")
    return [found]


def _sync_models(
    provider: Provider, entry: CatalogueProvider, report: SyncReport
) -> dict[str, AIModel]:
    known = {model.name: model for model in provider.models.all()}
    new, changed = [], []
    now = timezone.now()
    for info in entry.models:
        facts = _facts(info)
        model = known.get(info.id)
        if model is None:
            model = known[info.id] = AIModel(provider=provider, name=info.id, synced_at=now)
            new.append(model)
        elif all(getattr(model, name) == value for name, value in facts.items()):
            continue
        elif model.pk is not None:
            changed.append(model)
        for name, value in facts.items():
            setattr(model, name, value)
        model.synced_at = now
    AIModel.objects.bulk_create(new, batch_size=500)
    AIModel.objects.bulk_update(changed, [*_FACTS, "synced_at"], batch_size=500)
    report.models_created += len(new)
    report.models_updated += len(changed)
    return known


def _facts(info: ModelInfo) -> dict[str, Any]:
    values = (info.name or "", info.context_window, bool(info.deprecated), True)
    return dict(zip(_FACTS, values, strict=True))


def _sync_price_rows(
    entry: CatalogueProvider, models: dict[str, AIModel], report: SyncReport
) -> None:
    wanted = {
        identity(row): row for info in entry.models for row in price_rows(models[info.id], info)
    }
    stored = ModelPrice.objects.of_catalogue().current().filter(model__in=models.values())
    current = {identity(row): row for row in stored}
    outdated = [row.pk for key, row in current.items() if key not in wanted]
    new = [row for key, row in wanted.items() if key not in current]
    ModelPrice.objects.filter(pk__in=outdated).update(superseded_at=timezone.now())
    ModelPrice.objects.bulk_create(new, batch_size=500)
    report.prices_created += len(new)
    report.prices_superseded += len(outdated)
