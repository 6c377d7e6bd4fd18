"""Calls to providers: what each was, used and cost."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from conversations.admin.amounts import NOTHING, cost_of_message, tokens
from conversations.admin.paging import BigTableAdmin
from conversations.models import Message


@admin.register(Message)
class MessageAdmin(BigTableAdmin):
    """Read-only: a call is a fact."""

    list_display = (
        "requested_at",
        "provider",
        "model",
        "tokens_shown",
        "cost_shown",
        "conversation_shown",
    )
    list_filter = (
        "cost_status",
        "provider",
        "endpoint",
        ("requested_at", admin.DateFieldListFilter),
    )
    list_select_related = ("provider", "model", "conversation")
    ordering = ("-requested_at", "-id")
    sortable_by = ("requested_at",)
    search_fields = ("response_id",)
    search_help_text = "A message's id, or the provider's id of the response."
    fieldsets = (
        (
            None,
            {"fields": ("conversation_shown", "requested_at", "provider", "model", "model_name")},
        ),
        ("Cost", {"fields": ("cost_shown", "price_snapshot", "costed_at")}),
        (
            "Tokens",
            {
                "fields": (
                    "input_tokens",
                    "cache_read_tokens",
                    "cache_write_tokens",
                    "output_tokens",
                    "reasoning_tokens",
                    "service_tier",
                    "usage_shown",
                )
            },
        ),
        ("Words", {"fields": ("prompt", "content")}),
        ("Origin", {"fields": ("endpoint", "response_id", "source_key", "created_at")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        rows = super().get_queryset(request)
        resolved = request.resolver_match
        if resolved and resolved.url_name == "conversations_message_changelist":
            # The words can be long, and no column shows them.
            return rows.defer("prompt", "content", "usage", "usage_detail")
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().replace("\x00", "")
        if not term:
            return queryset, False
        if term.isascii() and term.isdigit() and len(term) < 19:
            return queryset.filter(pk=int(term)), False
        return queryset.filter(response_id=term), False

    @admin.display(description="tokens")
    def tokens_shown(self, message: Message) -> str:
        return tokens(message.total_tokens)

    @admin.display(description="cost")
    def cost_shown(self, message: Message) -> str | SafeString:
        return cost_of_message(message)

    @admin.display(description="conversation")
    def conversation_shown(self, message: Message) -> SafeString:
        address = reverse(
            f"{self.admin_site.name}:conversations_conversation_change",
            args=[message.conversation_id],
        )
        return format_html('<a href="{}">{}</a>', address, message.conversation)

    @admin.display(description="usage as reported")
    def usage_shown(self, message: Message) -> str | SafeString:
        if message.usage is None:
            return NOTHING
        return format_html("<pre>{}</pre>", json.dumps(message.usage, indent=2, sort_keys=True))
