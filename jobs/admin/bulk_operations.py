"""The list of bulk operations, and the page of one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from jobs.admin import display, filters
from jobs.admin.operations import Operation, Order, Result, rows_by_name
from jobs.admin.readonly import ReadOnlyAdmin
from jobs.conf import settings as conf
from jobs.failures import operations
from jobs.ledger import ledger
from jobs.models import BulkOperation, Cluster, OperationState

REASONS_SHOWN = 20


def _stop(rows: Any, order: Order) -> Result:
    for row in rows:
        operations.stop(row, order.actor, order.reason)
    return Result("Stopped. What was done is done; it can be resumed.")


def _resume(rows: Any, order: Order) -> Result:
    for row in rows:
        operations.resume(row, order.actor, order.reason)
    return Result("It goes on from where it was.")


def _not_active(row: BulkOperation) -> str:
    return "" if row.is_active else f"This operation is {row.state}."


def _not_halted(row: BulkOperation) -> str:
    return "" if row.is_halted else f"This operation is {row.state}."


STOP = Operation(
    name="stop",
    label="Stop",
    permission="stop",
    consequence="The batch that is under way is completed. What is done stays done, and the "
    "operation can be resumed from there.",
    touches=rows_by_name,
    perform=_stop,
    refusal=_not_active,
    single=True,
)

RESUME = Operation(
    name="resume",
    label="Resume",
    permission="resume",
    consequence="It goes on behind the last failed job that it has looked at.",
    touches=rows_by_name,
    perform=_resume,
    refusal=_not_halted,
    single=True,
)


@admin.register(BulkOperation)
class BulkOperationAdmin(ReadOnlyAdmin):
    """Every bulk operation, the latest first."""

    list_display = ("what", "state_shown", "progress", "rate_shown", "who", "ordered")
    list_display_links = None
    list_filter = (filters.OperationStateFilter,)
    nothing = "No operation yet. The retry of many failed jobs, or of some at a rate, is one."
    operations = (STOP, RESUME)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.stop_bulkoperation")

    def has_resume_permission(self, request: HttpRequest) -> bool:
        """To resume a retry is to retry."""
        return request.user.has_perm("jobs.retry_failedjob")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-id",)

    @admin.display(description="operation")
    def what(self, row: BulkOperation) -> SafeString:
        return display.link(self.address_of(row), str(row))

    @admin.display(description="state")
    def state_shown(self, row: BulkOperation) -> SafeString:
        return display.state_badge(row.state, OperationState)

    @admin.display(description="progress")
    def progress(self, row: BulkOperation) -> SafeString | str:
        return display.progress_bar(row.progress)

    @admin.display(description="rate")
    def rate_shown(self, row: BulkOperation) -> SafeString:
        return display.number(rate_of(row))

    @admin.display(description="by")
    def who(self, row: BulkOperation) -> str:
        return row.started_by_name

    @admin.display(description="ordered")
    def ordered(self, row: BulkOperation) -> SafeString | str:
        return display.when(row.created_at)

    def detail(self, request: HttpRequest, row: BulkOperation) -> dict[str, Any]:
        now = ledger().now()
        reasons = sorted(row.refused.items(), key=lambda item: -item[1])
        alive = Cluster.objects.using(conf.DATABASE).heard_since(now - 3 * conf.HEARTBEAT)
        audited = request.user.has_perm("jobs.view_auditentry")
        return {
            "title": f"{row.get_kind_display()} {row.pk}",
            "operation": row,
            "state": display.state_badge(row.state, OperationState),
            "progress": display.progress_bar(row.progress),
            "rate": rate_of(row),
            "left": row.remaining(now),
            "refused": reasons[:REASONS_SHOWN],
            "refused_more": len(reasons) - REASONS_SHOWN,
            "nobody_drives": row.is_active and not alive.exists(),
            "audit_url": reverse("admin:jobs_auditentry_change", args=[row.audit_entry_id])
            if audited
            else "",
        }


def rate_of(row: BulkOperation) -> str:
    """The rate in words."""
    return f"{row.rate:,} a second" if row.rate else "no limit"
