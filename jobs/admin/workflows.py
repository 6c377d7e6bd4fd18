"""Chains, batches and workflows: how far they are, and their steps."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin import display, filters, search
from jobs.admin.actions import told_of_retry
from jobs.admin.operations import Operation, Order, Result, action_of, rows_by_name
from jobs.admin.readonly import ReadOnlyAdmin
from jobs.management.output import counted
from jobs.models import Step, Workflow, WorkflowKind, WorkflowState
from jobs.workflows import operating, overview


def _cancel(rows: Any, order: Order) -> Result:
    ids = list(rows.values_list("pk", flat=True))
    report = operating.cancel(ids, order.actor, order.reason)
    text = (
        f"Cancelled {counted(report.workflows, 'workflow')}, with "
        f"{counted(report.cancelled, 'job')} that waited; asked "
        f"{counted(report.requested, 'running job')} to stop."
    )
    if report.skipped:
        text += f" Skipped {report.skipped:,} that had ended or were cancelled already."
    return Result(text, messages.SUCCESS if report.workflows else messages.WARNING)


def _cannot_cancel(flow: Workflow) -> str:
    if flow.nested:
        return "It is part of another workflow, which decides."
    return f"It has ended: it is {flow.state}." if flow.is_finished else ""


CANCEL = Operation(
    name="cancel",
    label="Cancel",
    permission="cancel",
    consequence="Its jobs that wait end as cancelled, with all that is nested in it; those that "
    "run are asked to stop. What has ended stays as it is.",
    touches=rows_by_name,
    applicable=lambda rows: rows.filter(nested=False),
    perform=_cancel,
    refusal=_cannot_cancel,
    selected=True,
    single=True,
    destructive=True,
)


def _retry(rows: Any, order: Order) -> Result:
    ids = list(rows.values_list("pk", flat=True))
    return told_of_retry(operating.retry_failures(ids, order.actor, order.reason))


def _cannot_retry(flow: Workflow) -> str:
    if flow.nested:
        return "It is part of another workflow: retry the failures of that one."
    if not operating.failures_of([flow.pk]).exists():
        return "None of its jobs has failed and can be retried."
    return ""


RETRY = Operation(
    name="retry",
    label="Retry failures",
    permission="retry",
    consequence="Each of its failed jobs becomes a new job in the same place, and what was "
    "cancelled because of it is made anew. The workflow runs again.",
    touches=rows_by_name,
    applicable=lambda rows: rows.filter(nested=False),
    perform=_retry,
    refusal=_cannot_retry,
    selected=True,
    single=True,
)


@admin.register(Workflow)
class WorkflowAdmin(ReadOnlyAdmin):
    """Every workflow that is part of no other, the newest first; the others have pages too."""

    list_title = "Workflows"
    list_display = ("named", "kind_shown", "state_shown", "progress_shown", "created", "run_time")
    list_display_links = None
    list_filter = (filters.WorkflowStateFilter, filters.NameFilter, filters.TagFilter)
    search_fields = ("id",)
    search_help_text = "The id of a workflow, its whole name, or a whole tag."
    nothing = "No workflows here. Chains, batches and workflows appear once code enqueues one."
    operations = (CANCEL, RETRY)
    actions = [action_of(CANCEL), action_of(RETRY)]

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.cancel_workflow")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.retry_workflow")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workflow]:
        rows = super().get_queryset(request)
        if self.is_list(request):
            return rows.filter(nested=False).prefetch_related("tags")
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Workflow], search_term: str
    ) -> tuple[QuerySet[Workflow], bool]:
        return search.workflows(queryset, search_term), False

    @admin.display(description="workflow and tags")
    def named(self, flow: Workflow) -> SafeString:
        shown = display.link(self.address_of(flow), flow.name or flow.pk)
        tags = [tag.name for tag in flow.tags.all()]
        if not tags:
            return shown
        return format_html('{}<div class="jobs-quiet">{}</div>', shown, ", ".join(tags))

    @admin.display(description="kind")
    def kind_shown(self, flow: Workflow) -> str:
        return str(flow.get_kind_display())

    @admin.display(description="state")
    def state_shown(self, flow: Workflow) -> SafeString:
        return display.state_badge(flow.state, WorkflowState)

    @admin.display(description="progress")
    def progress_shown(self, flow: Workflow) -> SafeString | str:
        return progress_of(flow)

    @admin.display(description="created")
    def created(self, flow: Workflow) -> SafeString | str:
        return display.when(flow.created_at)

    @admin.display(description="run time")
    def run_time(self, flow: Workflow) -> SafeString:
        return display.number(display.duration(flow.run_time))

    def detail(self, request: HttpRequest, row: Workflow) -> dict[str, Any]:
        around = Step.objects.using(row._state.db).filter(child=row.pk)
        return {
            "title": row.name or row.get_kind_display(),
            "subtitle": str(row.pk),
            "workflow": row,
            "state": display.state_badge(row.state, WorkflowState),
            "progress": progress_of(row),
            "tags": list(row.tags.order_by("name").values_list("name", flat=True)),
            "around": around.select_related("workflow").first() if row.nested else None,
            "steps": overview.steps_of(row.pk),
            "members": overview.members_of(row),
            "is_batch": row.kind == WorkflowKind.BATCH,
            "most": overview.SHOWN,
            "may_decide": request.user.has_perm("jobs.approve_step"),
            "may_signal": request.user.has_perm("jobs.signal_step"),
            "callbacks": [(name, call["definition"]) for name, call in row.callbacks.items()],
        }


def progress_of(flow: Workflow) -> SafeString | str:
    """The bar of what has ended, and how much of that did not succeed."""
    parts = [
        f"{count:,} {word}"
        for count, word in ((flow.failed, "failed"), (flow.cancelled, "cancelled"))
        if count
    ]
    told = {"done": flow.ended, "total": flow.total, "message": ", ".join(parts)}
    return display.progress_bar(told)
