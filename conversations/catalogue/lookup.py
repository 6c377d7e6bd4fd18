"""From the names in a log to rows of providers and models."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

from conversations.models import AIModel, Provider
from conversations.pricing import find_in_catalogue

# What a new site begins with, under the names that their owners use.
FIRST_PROVIDERS = {
    "openai": "OpenAI",
    "anthropic": "Anthropic",
    "google": "Google Gemini",
    "xai": "xAI",
    "mistral": "Mistral",
    "groq": "Groq",
    "deepseek": "DeepSeek",
}


def providers_by_slug(slugs: Iterable[str]) -> dict[str, Provider]:
    """The providers of these slugs; those that this site had not met are made, enabled."""
    wanted = set(slugs)
    found = {row.slug: row for row in Provider.objects.filter(slug__in=wanted)}
    missing = wanted - found.keys()
    if missing:
        rows = [Provider(slug=slug, name=_provider_name(slug)) for slug in sorted(missing)]
        # Another import may make the same one in the same moment.
        Provider.objects.bulk_create(rows, ignore_conflicts=True)
        found = {row.slug: row for row in Provider.objects.filter(slug__in=wanted)}
    return found


def models_by_name(
    names: Iterable[tuple[str, str]], providers: dict[str, Provider]
) -> dict[tuple[str, str], AIModel]:
    """The models that responses of `(provider slug, model name)` came from, made where missing.

    A dated or fully qualified name belongs to the catalogue's model; one that the catalogue does
    not know is a model of its own.
    """
    wanted = {(slug, name): _model(providers[slug], slug, name) for slug, name in set(names)}
    rows = _stored(wanted.values())
    missing = {_key(model): model for model in wanted.values() if _key(model) not in rows}
    if missing:
        AIModel.objects.bulk_create(missing.values(), ignore_conflicts=True)
        rows = _stored(wanted.values())
    return {names: rows[_key(model)] for names, model in wanted.items()}


def _model(provider: Provider, slug: str, name: str) -> AIModel:
    found = find_in_catalogue(slug, name)
    if found is None:
        return AIModel(provider=provider, name=name)
    info = found[1]
    return AIModel(
        provider=provider,
        name=info.id,
        title=info.name or "",
        context_window=info.context_window,
        deprecated=bool(info.deprecated),
        in_catalogue=True,
    )


def _key(model: AIModel) -> tuple[int, str]:
    return (model.provider_id, model.name)


def _stored(models: Collection[AIModel]) -> dict[tuple[int, str], AIModel]:
    found = AIModel.objects.filter(
        provider__in={model.provider_id for model in models},
        name__in={model.name for model in models},
    )
    return {_key(row): row for row in found}


def _provider_name(slug: str) -> str:
    if slug in FIRST_PROVIDERS:
        return FIRST_PROVIDERS[slug]
    entry = find_provider_by_id(get_snapshot().providers, slug)
    return entry.name if entry else slug
