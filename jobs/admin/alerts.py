"""Alerts: the rules of what is watched, and when it was out of bounds."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from jobs import audit
from jobs.admin import display
from jobs.admin.filters import Choices, ExactFilter
from jobs.admin.forms.notification import RuleForm
from jobs.admin.operations import Operation, Order, Result, Touched
from jobs.admin.readonly import ListedAdmin, ReadOnlyAdmin
from jobs.failures.channels import Message, send
from jobs.models import Alert, AlertRule

FIELDS = (
    "name", "enabled", "kind", "limit", "queue", "definition", "schedule", "window", "channel",
    "target", "cooldown",
)  # fmt: skip


class AlertRuleForm(RuleForm):
    """What is watched; without a filter each by itself."""

    without_filter = "(each)"

    class Meta:
        model = AlertRule
        fields = FIELDS


def _told(rules: QuerySet[AlertRule]) -> Touched:
    rows = [(rule.name, f"{rule.get_channel_display()} {_target(rule)}") for rule in rules]
    return Touched(len(rows), list(rows))


def _test(rules: QuerySet[AlertRule], order: Order) -> Result:
    for rule in rules:
        text = f"{order.actor.name} has sent this to see whether it arrives."
        send(rule.as_rule(), Message(subject="A test of alerts", text=text, is_bad=False))
        audit.record(order.actor, "test alert rule", rule.name, reason=order.reason)
    return Result("Sent a test.", messages.SUCCESS)


TEST = Operation(
    name="test",
    label="Send a test",
    permission="change",
    consequence="A message is sent at once to the saved target.",
    touches=_told,
    perform=_test,
    single=True,
)


@admin.register(AlertRule)
class AlertRuleAdmin(ListedAdmin):
    """Every rule; alerts have a list of their own."""

    form = AlertRuleForm
    list_display = ("name", "state", "kind_shown", "limit", "about", "channel", "target_shown")
    list_select_related = ("schedule",)
    list_title = "Alert rules"
    nothing = "Nothing is watched. Add a rule to be told of long waits, failures or lost workers."
    operations = (TEST,)
    change_form_template = "admin/jobs/notificationrule/change_form.html"

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("name",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Who may only look sees no secret."""
        may_edit = self.has_change_permission(request, obj) if obj else True
        return tuple(
            "target_shown" if name == "target" and not may_edit else name for name in FIELDS
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [name for name in self.get_fields(request, obj) if name not in FIELDS]

    @admin.display(description="state")
    def state(self, rule: AlertRule) -> SafeString:
        return (
            display.badge("running", "Enabled")
            if rule.enabled
            else display.badge("cancelled", "Off")
        )

    @admin.display(description="watches")
    def kind_shown(self, rule: AlertRule) -> str:
        return rule.get_kind_display().partition(":")[0]

    @admin.display(description="about")
    def about(self, rule: AlertRule) -> str:
        parts = (rule.queue, rule.definition.rpartition(".")[2], str(rule.schedule or ""))
        return ", ".join(part for part in parts if part) or "each"

    @admin.display(description="target")
    def target_shown(self, rule: AlertRule) -> str:
        return _target(rule)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        rule: AlertRule | None = context.get("original")
        context["buttons"] = self.buttons(request, rule) if rule is not None else []
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: AlertRule, form: forms.ModelForm[Any], change: bool
    ) -> None:
        before = AlertRule.objects.filter(pk=obj.pk).first() if change else None
        super().save_model(request, obj, form, change)
        if form.has_changed() or not change:
            audit.record(
                audit.Actor.of_request(request),
                "change alert rule" if change else "add alert rule",
                obj.name,
                before=_facts(before) if before else None,
                after=_facts(obj),
            )

    def delete_model(self, request: HttpRequest, obj: AlertRule) -> None:
        actor = audit.Actor.of_request(request)
        audit.record(actor, "delete alert rule", obj.name, before=_facts(obj))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AlertRule]) -> None:
        for rule in queryset:
            self.delete_model(request, rule)


class StateFilter(ExactFilter):
    """Open alerts, or those that are over."""

    title = "state"
    parameter = "state"

    def lookups(self) -> Choices:
        return [("open", "Open"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(closed_at__isnull=self.value == "open") if self.value else queryset


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """When something was out of bounds, the newest first."""

    list_title = "Alerts"
    list_display = ("subject", "state", "rule", "text", "since", "until")
    list_select_related = ("rule",)
    list_filter = (StateFilter,)
    list_display_links = None
    nothing = "There has been no alert."

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-id",)

    @admin.display(description="state")
    def state(self, alert: Alert) -> SafeString:
        if alert.closed_at is None:
            return display.badge("failed", "Open")
        return display.badge("succeeded", "Over")

    @admin.display(description="since")
    def since(self, alert: Alert) -> SafeString | str:
        return display.when(alert.opened_at)

    @admin.display(description="until")
    def until(self, alert: Alert) -> SafeString | str:
        return display.when(alert.closed_at)


def _target(rule: AlertRule) -> str:
    return rule.as_rule().shown_target or display.NOTHING


def _facts(rule: AlertRule) -> dict[str, Any]:
    """For the audit log, which others read: without what is secret."""
    facts = {name: getattr(rule, name) for name in FIELDS}
    return facts | {
        "target": _target(rule),
        "schedule": str(rule.schedule) if rule.schedule else None,
        "window": rule.window.total_seconds(),
        "cooldown": rule.cooldown.total_seconds(),
    }
