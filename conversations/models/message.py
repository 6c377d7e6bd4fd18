from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from conversations.models.catalogue import AIModel, Provider
from conversations.models.conversation import Conversation


class Role(models.TextChoices):
    USER = "user", "User"
    ASSISTANT = "assistant", "Assistant"
    SYSTEM = "system", "System"
    TOOL = "tool", "Tool"


class Endpoint(models.TextChoices):
    """The wire formats that calls are recorded in."""

    CHAT_COMPLETIONS = "chat.completions", "Chat completions"
    RESPONSES = "responses", "Responses"
    MESSAGES = "messages", "Messages"
    GENERATE_CONTENT = "generateContent", "Generate content"


class CostStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    PRICED = "priced", "Priced"
    UNPRICED = "unpriced", "Unpriced"
    NOT_BILLED = "not_billed", "Not billed"


class MessageQuerySet(models.QuerySet["Message"]):
    def uncosted(self) -> MessageQuerySet:
        """Those whose cost nobody has computed yet."""
        return self.filter(cost_status=CostStatus.PENDING)

    def priced(self) -> MessageQuerySet:
        return self.filter(cost_status=CostStatus.PRICED)

    def unpriced(self) -> MessageQuerySet:
        return self.filter(cost_status=CostStatus.UNPRICED)

    def billed(self) -> MessageQuerySet:
        """Those with a call to a provider behind them: what analytics counts as a request."""
        return self.exclude(cost_status=CostStatus.NOT_BILLED)

    def requested_between(self, start: datetime, end: datetime) -> MessageQuerySet:
        """From `start` on and before `end`."""
        return self.filter(requested_at__gte=start, requested_at__lt=end)

    def orphaned(self) -> MessageQuerySet:
        """Those whose conversation is gone, which the database forbids but a raw load can do."""
        return self.filter(~Exists(Conversation.objects.filter(pk=OuterRef("conversation_id"))))


def _tokens(help_text: str) -> models.PositiveBigIntegerField:
    return models.PositiveBigIntegerField(null=True, blank=True, help_text=help_text)


class Message(models.Model):
    """One call to a provider: what was asked, what came back, the tokens and the cost.

    Tokens are null where the provider reported none; they are never guessed. `cost` is set if
    and only if the message is priced, and an unpriced one says why.
    """

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages"
    )
    role = models.CharField(max_length=10, choices=Role, default=Role.ASSISTANT)
    provider = models.ForeignKey(
        Provider, on_delete=models.PROTECT, null=True, blank=True, related_name="messages"
    )
    model = models.ForeignKey(
        AIModel, on_delete=models.PROTECT, null=True, blank=True, related_name="messages"
    )
    model_name = models.CharField(
        max_length=200, blank=True, help_text="The model as the response named it."
    )
    endpoint = models.CharField(max_length=20, choices=Endpoint, blank=True)
    prompt = models.TextField(blank=True, help_text="The last thing that was asked.")
    content = models.TextField(blank=True, help_text="The answer's text and tool calls.")

    input_tokens = _tokens("Input that no cache held.")
    cache_read_tokens = _tokens("Input read from the provider's cache.")
    cache_write_tokens = _tokens("Input written into the provider's cache.")
    output_tokens = _tokens("Output, the reasoning included.")
    reasoning_tokens = _tokens("The part of the output that was reasoning.")
    usage = models.JSONField(
        null=True, blank=True, help_text="The usage as the provider reported it."
    )
    usage_detail = models.JSONField(
        default=dict, blank=True, help_text="The same in the units of the price catalogue."
    )
    service_tier = models.CharField(max_length=30, blank=True)

    cost_status = models.CharField(
        max_length=10, choices=CostStatus, default=CostStatus.PENDING, editable=False
    )
    cost = models.DecimalField(
        max_digits=20, decimal_places=12, null=True, blank=True, editable=False
    )
    currency = models.CharField(max_length=3, default="USD", editable=False)
    unpriced_reason = models.CharField(max_length=300, blank=True, editable=False)
    price_snapshot = models.CharField(
        max_length=50,
        blank=True,
        editable=False,
        help_text="The price list that the cost was computed from.",
    )
    costed_at = models.DateTimeField(null=True, editable=False)

    requested_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    source_key = models.CharField(  # noqa: DJ001 - null, as many messages come from no import
        max_length=64,
        null=True,
        unique=True,
        editable=False,
        help_text="SHA-256 of the recorded call: the same call is imported once.",
    )
    response_id = models.CharField(max_length=200, blank=True, editable=False)
    reply_key = models.CharField(
        max_length=100, blank=True, editable=False, help_text="How a later call refers to this."
    )
    continues_key = models.CharField(
        max_length=210, blank=True, editable=False, help_text="The call that this one follows."
    )

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ("-requested_at", "-id")
        indexes = (
            models.Index(fields=("-requested_at", "-id"), name="msg_by_time"),
            models.Index(fields=("conversation", "requested_at", "id"), name="msg_by_conversation"),
            models.Index(fields=("provider", "-requested_at"), name="msg_by_provider"),
            models.Index(fields=("model", "-requested_at"), name="msg_by_model"),
            models.Index(fields=("cost_status", "-requested_at"), name="msg_by_cost_status"),
            models.Index(fields=("id",), condition=Q(cost_status="pending"), name="msg_uncosted"),
            models.Index(fields=("response_id",), name="msg_by_response"),
            models.Index(fields=("reply_key",), name="msg_by_reply"),
            models.Index(fields=("continues_key",), name="msg_by_continued"),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(cost_status="priced", cost__isnull=False)
                | (~Q(cost_status="priced") & Q(cost__isnull=True)),
                name="conversations_cost_only_if_priced",
            ),
            models.CheckConstraint(
                condition=~Q(cost_status="unpriced") | ~Q(unpriced_reason=""),
                name="conversations_unpriced_says_why",
            ),
            models.CheckConstraint(
                condition=Q(cost__isnull=True) | Q(cost__gte=0),
                name="conversations_cost_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(reasoning_tokens__isnull=True)
                | Q(reasoning_tokens__lte=F("output_tokens")),
                name="conversations_reasoning_within_output",
            ),
        )
        permissions = (("import_calls", "Can import recorded calls"),)

    def __str__(self) -> str:
        return f"{self.model_name or self.role}, {self.requested_at:%Y-%m-%d %H:%M}"

    @property
    def total_tokens(self) -> int | None:
        """All four classes together; None if the provider reported no usage."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        cached = (self.cache_read_tokens or 0) + (self.cache_write_tokens or 0)
        return self.input_tokens + cached + self.output_tokens
