"""The steps of workflows that a person approves or rejects, or that wait for a signal."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin import display, filters
from jobs.admin.operations import (
    Operation,
    Order,
    ReasonForm,
    Result,
    action_of,
    rows_by_name,
)
from jobs.admin.readonly import ReadOnlyAdmin
from jobs.management.output import counted
from jobs.models import Step, StepKind, StepState
from jobs.workflows import operating


def _decide(approved: bool) -> Any:
    def perform(rows: Any, order: Order) -> Result:
        done = 0
        for step in rows:
            operating.decide(
                step.workflow_id, step.name, order.actor, approved=approved, reason=order.reason
            )
            done += 1
        word = "Approved" if approved else "Rejected"
        return Result(
            f"{word} {counted(done, 'step')}.", messages.SUCCESS if done else messages.WARNING
        )

    return perform


def _undecided(step: Step) -> str:
    if step.kind != StepKind.APPROVAL:
        return "It waits for a signal, not for an approval."
    return "" if step.state == StepState.ACTIVE else f"The step is {step.state}."


class PayloadField(forms.JSONField):
    """JSON that may be left out."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class SignalForm(ReasonForm):
    """What comes with a signal."""

    payload = PayloadField(
        required=False,
        help_text="JSON, as the result of the step; empty is none.",
        widget=forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"}),
    )


def _signal(rows: Any, order: Order) -> Result:
    for step in rows:
        operating.signal(
            step.workflow_id, step.name, order.data["payload"], order.actor, order.reason
        )
    return Result("The signal was sent.")


def _not_awaited(step: Step) -> str:
    if step.kind != StepKind.SIGNAL:
        return "It waits for an approval, not for a signal."
    if step.decided_at is not None:
        return "It got its signal already."
    awaits = step.state in (StepState.WAITING, StepState.ACTIVE)
    return "" if awaits else f"The step is {step.state}."


APPROVE = Operation(
    name="approve",
    label="Approve",
    permission="approve",
    consequence="The workflow goes on with the steps that wait for this.",
    touches=rows_by_name,
    applicable=lambda rows: rows.filter(state=StepState.ACTIVE, kind=StepKind.APPROVAL),
    perform=_decide(True),
    refusal=_undecided,
    selected=True,
    single=True,
)

REJECT = Operation(
    name="reject",
    label="Reject",
    permission="approve",
    consequence="The step has failed: what needs it is cancelled.",
    touches=rows_by_name,
    applicable=lambda rows: rows.filter(state=StepState.ACTIVE, kind=StepKind.APPROVAL),
    perform=_decide(False),
    refusal=_undecided,
    selected=True,
    single=True,
    destructive=True,
)


SIGNAL = Operation(
    name="signal",
    label="Signal",
    permission="signal",
    consequence="The workflow goes on as if what it waits for had happened.",
    touches=rows_by_name,
    perform=_signal,
    refusal=_not_awaited,
    form=SignalForm,
    single=True,
)


@admin.register(Step)
class StepAdmin(ReadOnlyAdmin):
    """The steps of workflows that wait for a person or for a signal."""

    list_title = "Approvals and signals"
    list_display = ("named", "workflow_shown", "kind_shown", "state_shown", "decided")
    list_display_links = None
    list_filter = (filters.StepStateFilter,)
    list_select_related = ("workflow",)
    nothing = "No workflow here has a step that waits for an approval or a signal."
    operations = (APPROVE, REJECT, SIGNAL)
    actions = [action_of(APPROVE), action_of(REJECT)]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("jobs.view_workflow")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.approve_step")

    def has_signal_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.signal_step")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Step]:
        return super().get_queryset(request).filter(kind__in=(StepKind.APPROVAL, StepKind.SIGNAL))

    def address_of(self, row: Model) -> str:
        """A step is shown on the page of its workflow."""
        assert isinstance(row, Step)
        name = f"{self.admin_site.name}:jobs_workflow_change"
        return reverse(name, args=[quote(row.workflow_id)])

    def page_of(self, request: HttpRequest, row: Any, extra: dict[str, Any]) -> HttpResponse:
        return HttpResponseRedirect(self.address_of(row))

    @admin.display(description="step")
    def named(self, step: Step) -> SafeString:
        return display.link(self.address_of(step), step.name)

    @admin.display(description="workflow")
    def workflow_shown(self, step: Step) -> str:
        return str(step.workflow)

    @admin.display(description="waits for")
    def kind_shown(self, step: Step) -> str:
        return step.get_kind_display()

    @admin.display(description="state")
    def state_shown(self, step: Step) -> SafeString:
        return display.state_badge(step.state, StepState)

    @admin.display(description="decided")
    def decided(self, step: Step) -> SafeString | str:
        if step.decided_at is None:
            return display.NOTHING
        return format_html("{} by {}", display.when(step.decided_at), step.decided_by)
