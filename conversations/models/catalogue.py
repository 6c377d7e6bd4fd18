"""Who sells answers, which models they have, and what those cost since when."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone


class ProviderQuerySet(models.QuerySet["Provider"]):
    def enabled(self) -> ProviderQuerySet:
        return self.filter(enabled=True)


class Provider(models.Model):
    """A company or a server that answers calls; `slug` is the name used in logs and prices."""

    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    base_url = models.URLField(
        blank=True, help_text="Where its API answers. Empty: the provider's own address."
    )
    enabled = models.BooleanField(
        default=True, help_text="Whether the nightly price sync includes this provider."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class AIModel(models.Model):
    """A model as its provider's catalogue names it.

    Snapshot names of calls (`gpt-4o-2024-08-06`) belong to one row (`gpt-4o`). A model that no
    catalogue knows has a row as well, without prices, so that a site can give it its own.
    """

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="models")
    name = models.CharField(max_length=200)
    title = models.CharField(max_length=200, blank=True)
    context_window = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Most input tokens that one call may have."
    )
    deprecated = models.BooleanField(default=False)
    in_catalogue = models.BooleanField(
        default=False, help_text="Whether the price catalogue knows this model."
    )
    synced_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "AI model"
        ordering = ("provider__name", "name")
        constraints = (
            models.UniqueConstraint(
                fields=("provider", "name"), name="conversations_model_unique_name"
            ),
        )

    def __str__(self) -> str:
        return self.name


class PriceSource(models.TextChoices):
    CATALOGUE = "catalogue", "genai-prices catalogue"
    SITE = "site", "entered on this site"


class ModelPriceQuerySet(models.QuerySet["ModelPrice"]):
    def of_site(self) -> ModelPriceQuerySet:
        return self.filter(source=PriceSource.SITE)

    def of_catalogue(self) -> ModelPriceQuerySet:
        return self.filter(source=PriceSource.CATALOGUE)

    def current(self) -> ModelPriceQuerySet:
        return self.filter(superseded_at__isnull=True)


def _rate(help_text: str) -> models.DecimalField:
    return models.DecimalField(
        max_digits=20, decimal_places=9, null=True, blank=True, help_text=help_text
    )


def _not_negative(*names: str) -> Q:
    condition = Q()
    for name in names:
        condition &= Q(**{f"{name}__isnull": True}) | Q(**{f"{name}__gte": 0})
    return condition


class ModelPrice(models.Model):
    """US dollars for a million tokens of each class, from a date on.

    Rows of the catalogue are a dated record of what it said: a changed price becomes a new row
    and the old one gets `superseded_at`. Rows of the site go before the catalogue when costs are
    computed.
    """

    model = models.ForeignKey(AIModel, on_delete=models.CASCADE, related_name="prices")
    source = models.CharField(
        max_length=10, choices=PriceSource, default=PriceSource.SITE, editable=False
    )
    effective_from = models.DateField(
        null=True, blank=True, help_text="First day (UTC) of this price. Empty: since ever."
    )
    daily_from = models.TimeField(
        null=True, blank=True, editable=False, help_text="Start (UTC) of an off-peak price."
    )
    daily_until = models.TimeField(
        null=True, blank=True, editable=False, help_text="End (UTC) of an off-peak price."
    )
    input_per_million = _rate("Input that no cache held.")
    cache_read_per_million = _rate("Input read from the provider's cache.")
    cache_write_per_million = _rate("Input written into the provider's cache.")
    output_per_million = _rate("Output, the reasoning included.")
    rates = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="The catalogue's whole entry: tiers, audio, images, variants.",
    )
    rates_digest = models.CharField(max_length=64, blank=True, editable=False)
    snapshot = models.CharField(
        max_length=50, blank=True, editable=False, help_text="The catalogue's name and version."
    )
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)
    superseded_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ModelPriceQuerySet.as_manager()

    class Meta:
        ordering = ("model", "-effective_from", "-recorded_at")
        indexes = (
            models.Index(fields=("model", "source", "effective_from"), name="conv_price_lookup"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("model", "effective_from"),
                condition=Q(source="site", effective_from__isnull=False),
                name="conversations_one_site_price_a_day",
            ),
            models.UniqueConstraint(
                fields=("model",),
                condition=Q(source="site", effective_from__isnull=True),
                name="conversations_one_undated_site_price",
            ),
            models.CheckConstraint(
                condition=_not_negative(
                    "input_per_million",
                    "cache_read_per_million",
                    "cache_write_per_million",
                    "output_per_million",
                ),
                name="conversations_price_not_negative",
                violation_error_message="A price cannot be negative.",
            ),
        )

    def __str__(self) -> str:
        since = self.effective_from.isoformat() if self.effective_from else "the beginning"
        return f"{self.model} since {since}"
