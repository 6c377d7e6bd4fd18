"""Who is told of failure groups: the list of rules, and the form of one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from jobs import audit
from jobs.admin import display
from jobs.admin.forms.notification import NotificationRuleForm
from jobs.admin.operations import Operation, Order, Result, Touched
from jobs.admin.readonly import ListedAdmin
from jobs.conf import settings as conf
from jobs.failures.channels import Message, send
from jobs.models import NotificationRule

FIELDS = ("name", "enabled", "channel", "target", "queue", "definition", "cooldown")


def _told(rules: QuerySet[NotificationRule]) -> Touched:
    rows = [(rule.name, f"{rule.get_channel_display()} {_target(rule)}") for rule in rules]
    return Touched(len(rows), list(rows))


def _test(rules: QuerySet[NotificationRule], order: Order) -> Result:
    names = []
    for rule in rules:
        text = f"{order.actor.name} has sent this to see whether it arrives."
        send(rule.as_rule(), Message(subject="A test of notifications", text=text, is_bad=False))
        audit.record(order.actor, "test notification rule", rule.name, reason=order.reason)
        names.append(rule.name)
    return Result(f"Sent a test: {', '.join(names)}.", messages.SUCCESS)


TEST = Operation(
    name="test",
    label="Send a test",
    permission="change",
    consequence="A message is sent at once to the saved target, whatever the filters.",
    touches=_told,
    perform=_test,
    single=True,
)


@admin.register(NotificationRule)
class NotificationRuleAdmin(ListedAdmin):
    """Every rule of the admin; those of JOBS_NOTIFY are shown beside them."""

    form = NotificationRuleForm
    list_display = ("name", "enabled_shown", "channel", "target_shown", "about", "cooldown_shown")
    list_title = "Notification rules"
    nothing = "No rules here. Add one to be told of new failure groups."
    operations = (TEST,)
    change_form_template = "admin/jobs/notificationrule/change_form.html"

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("name",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Who may only look sees no secret."""
        may_edit = self.has_change_permission(request, obj) if obj else True
        return FIELDS if may_edit else tuple(_shown(field) for field in FIELDS)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return [name for name in self.get_fields(request, obj) if name not in FIELDS]

    @admin.display(description="state")
    def enabled_shown(self, rule: NotificationRule) -> SafeString:
        if rule.enabled:
            return display.badge("running", "Enabled")
        return display.badge("cancelled", "Off")

    @admin.display(description="target")
    def target_shown(self, rule: NotificationRule) -> str:
        return _target(rule)

    @admin.display(description="about")
    def about(self, rule: NotificationRule) -> str:
        return about(rule)

    @admin.display(description="cool-down")
    def cooldown_shown(self, rule: NotificationRule) -> str:
        return display.duration(rule.cooldown)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        settled = [
            {"rule": rule, "about": about(rule), "target": rule.shown_target}
            for rule in conf.NOTIFY.values()
        ]
        return super().changelist_view(request, {"settled": settled, **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        rule: NotificationRule | None = context.get("original")
        context["buttons"] = self.buttons(request, rule) if rule is not None else []
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: NotificationRule, form: ModelForm[Any], change: bool
    ) -> None:
        before = NotificationRule.objects.filter(pk=obj.pk).first() if change else None
        super().save_model(request, obj, form, change)
        if form.has_changed() or not change:
            audit.record(
                audit.Actor.of_request(request),
                "change notification rule" if change else "add notification rule",
                obj.name,
                before=_facts(before) if before else None,
                after=_facts(obj),
            )

    def delete_model(self, request: HttpRequest, obj: NotificationRule) -> None:
        self._record_deletion(request, obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[NotificationRule]) -> None:
        for rule in queryset:
            self._record_deletion(request, rule)
        super().delete_queryset(request, queryset)

    def _record_deletion(self, request: HttpRequest, rule: NotificationRule) -> None:
        actor = audit.Actor.of_request(request)
        audit.record(actor, "delete notification rule", rule.name, before=_facts(rule))


def about(rule: Any) -> str:
    """The filters of a rule, in words."""
    parts = [f"queue {rule.queue}"] if rule.queue else []
    parts += [rule.definition] if rule.definition else []
    return ", ".join(parts) or "all failure groups"


def _target(rule: NotificationRule) -> str:
    return rule.as_rule().shown_target or display.NOTHING


def _shown(field: str) -> str:
    return "target_shown" if field == "target" else field


def _facts(rule: NotificationRule) -> dict[str, Any]:
    """For the audit log, which others read: without what is secret."""
    facts = {name: getattr(rule, name) for name in FIELDS}
    return {**facts, "target": _target(rule), "cooldown": rule.cooldown.total_seconds()}
