"""The list of schedules, and the page on which one is edited, foreseen and looked back on."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters

from jobs import audit
from jobs.admin import display, filters, schedule_actions
from jobs.admin.forms.schedule import JobScheduleForm
from jobs.admin.operations import action_of
from jobs.admin.readonly import ListedAdmin
from jobs.admin.schedule_runs import history_of, runs_of, words_of
from jobs.models import JobSchedule
from jobs.privacy.masking import masked


@admin.register(JobSchedule)
class JobScheduleAdmin(ListedAdmin):
    """Every schedule: declared in code once, and edited here since."""

    form = JobScheduleForm
    change_form_template = "admin/jobs/jobschedule/change_form.html"
    list_display = (
        "name",
        "enabled_shown",
        "rule_shown",
        "definition_shown",
        "next_run",
        "last_run",
        "trouble",
    )
    list_filter = (filters.EnabledFilter, filters.DefinitionFilter)
    search_fields = ("name", "definition", "notes")
    list_title = "Schedules"
    nothing = "No schedules here. Add one, or declare it in code beside the job."
    operations = (schedule_actions.RUN, schedule_actions.PAUSE, schedule_actions.RESUME)
    actions = [
        action_of(schedule_actions.RUN),
        action_of(schedule_actions.PAUSE),
        action_of(schedule_actions.RESUME),
    ]
    fieldsets = (
        (None, {"fields": ("name", "definition", "enabled")}),
        (
            "Rule",
            {"fields": ("kind", "cron", "every", "run_at", "timezone", ("starts_at", "ends_at"))},
        ),
        (
            "Clock changes and missed runs",
            {
                "classes": ("collapse",),
                "fields": (
                    ("dst_gap", "dst_overlap"),
                    ("missed", "missed_limit", "grace"),
                    ("no_overlap", "jitter"),
                ),
            },
        ),
        ("Its jobs", {"fields": (("queue", "priority"), "notes")}),
    )

    class Media:
        css = {"all": ("jobs/jobs.css",)}
        js = ("jobs/arguments.js",)

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.run_jobschedule")

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.pause_jobschedule")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("name",)

    @admin.display(description="state")
    def enabled_shown(self, schedule: JobSchedule) -> SafeString:
        if schedule.enabled:
            return display.badge("running", "Enabled")
        return display.badge("cancelled", "Paused")

    @admin.display(description="runs")
    def rule_shown(self, schedule: JobSchedule) -> str:
        return words_of(schedule)

    @admin.display(description="definition")
    def definition_shown(self, schedule: JobSchedule) -> SafeString:
        return display.short_name(schedule.definition)

    @admin.display(description="next run")
    def next_run(self, schedule: JobSchedule) -> SafeString | str:
        return display.when(schedule.next_run_at)

    @admin.display(description="last run")
    def last_run(self, schedule: JobSchedule) -> SafeString | str:
        return display.when(schedule.last_slot_at)

    @admin.display(description="last error")
    def trouble(self, schedule: JobSchedule) -> SafeString | str:
        if not schedule.last_error:
            return display.NOTHING
        return format_html('<span class="jobs-error">{}</span>', schedule.last_error[:200])

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        schedule: JobSchedule | None = context.get("original")
        form = context["adminform"].form
        context |= {
            "arguments_form": form.arguments_form,
            "unknown_definition": form.unknown_definition,
            "may_edit": "definition" in form.fields,
        }
        if schedule is not None:
            runs, trouble = runs_of(schedule)
            context |= {
                "schedule": schedule,
                "arguments": masked(schedule.definition, schedule.arguments),
                "words": words_of(schedule),
                "runs": runs,
                "rule_error": trouble,
                "history": history_of(schedule),
                "buttons": self.buttons(request, schedule),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    # Pages for developers and mails to ADMINS about an error would show what was typed.
    @method_decorator(sensitive_post_parameters())
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(request, *args, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: JobSchedule, form: ModelForm[JobSchedule], change: bool
    ) -> None:
        before = JobSchedule.objects.filter(pk=obj.pk).first() if change else None
        super().save_model(request, obj, form, change)
        old, new = differences(before, obj)
        if old or new:
            action = "change schedule" if change else "add schedule"
            actor = audit.Actor.of_request(request)
            audit.record(actor, action, obj.name, before=old or None, after=new)

    def delete_model(self, request: HttpRequest, obj: JobSchedule) -> None:
        actor = audit.Actor.of_request(request)
        audit.record(actor, "delete schedule", obj.name, before=differences(None, obj)[1])
        super().delete_model(request, obj)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """The schedules alone: their past times can be many, and are not worth reading."""
        names = [
            f"{schedule} (declared in code: only schedule_sync would bring it back)"
            if schedule.declared_as
            else str(schedule)
            for schedule in objs
        ]
        return names, {str(self.opts.verbose_name_plural): len(names)}, set(), []

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[JobSchedule]) -> None:
        actor = audit.Actor.of_request(request)
        for schedule in queryset:
            before = differences(None, schedule)[1]
            audit.record(actor, "delete schedule", schedule.name, before=before)
        super().delete_queryset(request, queryset)


RECORDED = (
    "name", "definition", "arguments", "kind", "cron", "every", "run_at", "timezone", "dst_gap",
    "dst_overlap", "missed", "missed_limit", "grace", "no_overlap", "jitter", "starts_at",
    "ends_at", "queue", "priority", "enabled", "notes",
)  # fmt: skip


def differences(
    before: JobSchedule | None, after: JobSchedule
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an operator may edit and has changed, before and after; all of it for a new schedule.
    Sensitive arguments are masked, since audit entries stay for ever."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for name in RECORDED:
        value = getattr(after, name)
        if before is None or getattr(before, name) != value:
            new[name] = _shown(after, name)
            if before is not None:
                old[name] = _shown(before, name)
    return old, new


def _shown(schedule: JobSchedule, name: str) -> Any:
    value = getattr(schedule, name)
    if name == "arguments":
        return masked(schedule.definition, value)
    return value if isinstance(value, dict | bool | int) or value is None else str(value)
