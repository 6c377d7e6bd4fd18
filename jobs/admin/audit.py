"""The audit log: what operators did."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from jobs.admin import display, filters, periods
from jobs.admin.readonly import ReadOnlyAdmin
from jobs.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Every operation, the latest first. Nobody can change or delete an entry here."""

    list_display = ("when", "actor_name", "action", "target", "count_shown", "surface", "reason")
    list_filter = (periods.AuditedAtFilter, filters.ActionFilter)
    list_title = "Audit log"
    nothing = "Nothing was done yet. Every operation leaves an entry here."

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-id",)

    @admin.display(description="time")
    def when(self, entry: AuditEntry) -> SafeString | str:
        return display.at(entry.at)

    @admin.display(description="count")
    def count_shown(self, entry: AuditEntry) -> SafeString:
        return display.number(f"{entry.count:,}")

    def detail(self, request: HttpRequest, row: AuditEntry) -> dict[str, Any]:
        return {"entry": row, "title": str(row)}
