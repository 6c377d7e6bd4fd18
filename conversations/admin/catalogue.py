"""Providers, models and prices."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from conversations.admin.amounts import NOTHING, dollars
from conversations.models import AIModel, ModelPrice, PriceSource, Provider

_RATES = (
    "input_per_million",
    "cache_read_per_million",
    "cache_write_per_million",
    "output_per_million",
)


@admin.register(Provider)
class ProviderAdmin(admin.ModelAdmin):
    list_display = ("name", "slug", "enabled", "base_url")
    list_filter = ("enabled",)
    search_fields = ("name", "slug")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Provider | None = None
    ) -> tuple[str, ...]:
        # The name by which logs and prices know it: another one would cut it off from both.
        return () if obj is None else ("slug",)


class SitePriceInline(admin.TabularInline):
    """The site's own prices, which go before the catalogue's."""

    model = ModelPrice
    extra = 0
    fields = ("effective_from", *_RATES)
    verbose_name = "price of this site"
    verbose_name_plural = (
        "prices of this site, in US dollars for a million tokens; they go before the catalogue's"
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelPrice]:
        return super().get_queryset(request).filter(source=PriceSource.SITE)


@admin.register(AIModel)
class AIModelAdmin(admin.ModelAdmin):
    list_display = ("name", "provider", "title", "context_window", "deprecated", "in_catalogue")
    list_filter = ("provider", "in_catalogue", "deprecated")
    list_select_related = ("provider",)
    search_fields = ("name", "title")
    fields = (
        "provider",
        "name",
        "title",
        "context_window",
        "deprecated",
        "in_catalogue",
        "synced_at",
        "catalogue_prices",
    )
    inlines = (SitePriceInline,)
    show_full_result_count = False

    def get_readonly_fields(
        self, request: HttpRequest, obj: AIModel | None = None
    ) -> tuple[str, ...]:
        always = ("in_catalogue", "synced_at", "catalogue_prices")
        return always if obj is None else (*always, "provider", "name")

    @admin.display(description="catalogue's prices")
    def catalogue_prices(self, model: AIModel) -> str | SafeString:
        rows = model.prices.of_catalogue().current().order_by("effective_from", "daily_from")
        cells = [(since(row), *(rate(getattr(row, name)) for name in _RATES)) for row in rows]
        if not cells:
            return "The catalogue has no price for this model."
        return format_html(
            "<table><thead><tr><th>Since</th><th>Input</th><th>Cache read</th>"
            "<th>Cache write</th><th>Output</th></tr></thead><tbody>{}</tbody></table>"
            "<p>US dollars for a million tokens. Tiers and variants are in the price's own page."
            "</p>",
            format_html_join(
                "",
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                cells,
            ),
        )


@admin.register(ModelPrice)
class ModelPriceAdmin(admin.ModelAdmin):
    """The record of prices, read-only; a site's own are entered on the page of their model."""

    list_display = ("model", "since_shown", *_RATES, "source", "is_current")
    list_filter = ("source", ("superseded_at", admin.EmptyFieldListFilter), "model__provider")
    list_select_related = ("model",)
    search_fields = ("model__name",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="since", ordering="effective_from")
    def since_shown(self, price: ModelPrice) -> str:
        return since(price)

    @admin.display(description="current", boolean=True)
    def is_current(self, price: ModelPrice) -> bool:
        return price.superseded_at is None


def since(price: ModelPrice) -> str:
    """When a price holds, in words."""
    if price.daily_from and price.daily_until:
        return f"daily {price.daily_from:%H:%M} to {price.daily_until:%H:%M} UTC"
    return price.effective_from.isoformat() if price.effective_from else "ever"


def rate(value: Any) -> str:
    return NOTHING if value is None else dollars(value)
