"""Conversations, with what they cost."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timezone import localtime

from conversations.admin.amounts import cost_of_message, tokens, total_of_conversation
from conversations.admin.operations import ARCHIVE, RECALCULATE, RESTORE
from conversations.admin.paging import BigTableAdmin
from conversations.models import Conversation, Message
from jobs.admin.confirmation import OperationsMixin
from jobs.admin.operations import action_of

MESSAGES_SHOWN = 50


class CostFilter(admin.SimpleListFilter):
    title = "cost"
    parameter_name = "cost"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("unpriced", "Some messages unpriced"), ("pending", "Some not costed yet")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Conversation]
    ) -> QuerySet[Conversation]:
        if self.value() == "unpriced":
            return queryset.filter(unpriced_messages__gt=0)
        if self.value() == "pending":
            return queryset.filter(pending_messages__gt=0)
        return queryset


class PlaceFilter(admin.SimpleListFilter):
    title = "place"
    parameter_name = "place"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("database", "Database"), ("archive", "Archive")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Conversation]
    ) -> QuerySet[Conversation]:
        if self.value() in ("database", "archive"):
            return queryset.filter(archived_at__isnull=self.value() == "database")
        return queryset


@admin.register(Conversation)
class ConversationAdmin(OperationsMixin, BigTableAdmin):
    list_display = (
        "title_shown",
        "user",
        "message_count",
        "cost_shown",
        "last_message_at",
        "place",
    )
    list_filter = (
        CostFilter,
        PlaceFilter,
        ("last_message_at", admin.DateFieldListFilter),
    )
    list_select_related = ("user",)
    search_fields = ("title",)
    search_help_text = "Words of the title, or a conversation's id."
    ordering = ("-last_message_at", "-id")
    sortable_by = ("last_message_at", "cost_shown")
    raw_id_fields = ("user",)
    fields = (
        "title",
        "user",
        "cost_shown",
        "first_message_at",
        "last_message_at",
        "updated_at",
        "place",
        "archive_path",
        "messages_shown",
    )
    readonly_fields = (
        "cost_shown",
        "first_message_at",
        "last_message_at",
        "updated_at",
        "place",
        "archive_path",
        "messages_shown",
    )
    operations = (RECALCULATE, ARCHIVE, RESTORE)
    actions = [action_of(operation) for operation in operations]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_recalculate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("conversations.recalculate_cost")

    def has_archive_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("conversations.archive_conversation")

    def has_restore_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("conversations.restore_conversation")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if term.isascii() and term.isdigit() and len(term) < 19:
            return queryset.filter(pk=int(term)), False
        return super().get_search_results(request, queryset, search_term.replace("\x00", ""))

    @admin.display(description="title")
    def title_shown(self, conversation: Conversation) -> str:
        return Truncator(str(conversation)).chars(80)

    @admin.display(description="cost", ordering="total_cost")
    def cost_shown(self, conversation: Conversation) -> str:
        return total_of_conversation(conversation)

    @admin.display(description="place", ordering="archived_at")
    def place(self, conversation: Conversation) -> str:
        if conversation.archived_at is None:
            return "database"
        return f"archived {localize(localtime(conversation.archived_at))}"

    @admin.display(description="messages")
    def messages_shown(self, conversation: Conversation) -> str | SafeString:
        if conversation.is_archived:
            return f"{conversation.message_count:,} messages are in the archive."
        latest = (
            conversation.messages.select_related("model")
            .defer("usage", "usage_detail")
            .order_by("-requested_at", "-id")[:MESSAGES_SHOWN]
        )
        rows = [self._row(message) for message in reversed(latest)]
        hidden = conversation.message_count - len(rows)
        note = (
            f"The latest {len(rows):,}; {hidden:,} older ones are not shown." if hidden > 0 else ""
        )
        return format_html(
            "<table><thead><tr><th>When</th><th>Model</th><th>Asked</th><th>Answered</th>"
            "<th>Tokens</th><th>Cost</th></tr></thead><tbody>{}</tbody></table><p>{}</p>",
            format_html_join(
                "",
                '<tr><td><a href="{}">{}</a></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>'
                "<td>{}</td></tr>",
                rows,
            ),
            note,
        )

    def _row(self, message: Message) -> tuple[Any, ...]:
        address = reverse(f"{self.admin_site.name}:conversations_message_change", args=[message.pk])
        return (
            address,
            localize(localtime(message.requested_at)),
            message.model or message.model_name,
            Truncator(message.prompt).chars(200),
            Truncator(message.content).chars(300),
            tokens(message.total_tokens),
            cost_of_message(message),
        )
