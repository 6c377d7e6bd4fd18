"""django-q2's own pages in the admin, without what lets a viewer change something.

Stock django-q2 offers "Resubmit" to whoever may look, deletes the failure it resubmits, fills its
filters with a DISTINCT over the whole table, and lets whoever may add a schedule run any function.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django_q.admin import ScheduleAdmin as StockScheduleAdmin
from django_q.conf import Conf
from django_q.models import Failure, OrmQ, Schedule, Success, Task

from jobs import registry
from jobs.admin.operations import Operation, Order, Result, Touched, action_of, rows_by_name
from jobs.admin.readonly import ListedAdmin
from jobs.django_q2 import resubmission, schedule_arguments, schedule_times, sensitive
from jobs.django_q2.schedule_arguments import MalformedSchedule

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite

RESULT_SHOWN = 100


def _resubmit(rows: Any, order: Order) -> Result:
    report = resubmission.resubmit(rows, order.actor, order.reason, scope=order.scope)
    text = f"Resubmitted {report.resubmitted:,} {'task' if report.resubmitted == 1 else 'tasks'}."
    for why, count in report.refused.most_common(3):
        text += f" {count:,} not: {why}."
    refused = bool(report.refused) or not report.resubmitted
    return Result(text, messages.WARNING if refused else messages.SUCCESS)


def _touches(rows: Any) -> Touched:
    return rows_by_name(rows.only("pk", "name"))


RESUBMIT_FAILURES = Operation(
    name="resubmit",
    label="Resubmit",
    permission="retry",
    consequence="Each runs again as it was called. Its row stays; a success takes its place.",
    touches=_touches,
    perform=_resubmit,
    selected=True,
)
RESUBMIT_SUCCESSES = Operation(
    name="resubmit",
    label="Resubmit",
    permission="dispatch",
    consequence="Each runs again, as a new task. The finished one stays as it is.",
    touches=_touches,
    perform=_resubmit,
    selected=True,
)


class FinishedTaskAdmin(ListedAdmin):
    """Rows of finished tasks: to look at, to delete with the permission, never to edit."""

    change_list_template = "admin/jobs/change_list.html"
    search_fields = ("name", "func", "group")
    search_help_text = "A part of the name, the function or the group."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.retry_failedjob")

    def has_dispatch_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.dispatch_job")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-stopped", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        listed = super().get_queryset(request)
        match = request.resolver_match
        if match and match.url_name and match.url_name.endswith("_changelist"):
            # Pickles, which no list needs to open.
            return listed.defer("args", "kwargs", *self.unread)
        return listed

    unread: ClassVar[tuple[str, ...]] = ()

    @admin.display(description="time taken")
    def time_taken(self, task: Task) -> dt.timedelta:
        taken: dt.timedelta = task.stopped - task.started
        return taken


class SuccessAdmin(FinishedTaskAdmin):
    """Tasks that succeeded."""

    list_display = ("name", "group", "func", "cluster", "started", "stopped", "time_taken")
    nothing = "No successful tasks of django-q2 code here."
    operations = (RESUBMIT_SUCCESSES,)
    actions = (action_of(RESUBMIT_SUCCESSES),)
    unread = ("result",)


class FailureAdmin(FinishedTaskAdmin):
    """Tasks that failed."""

    list_display = ("name", "group", "func", "cluster", "started", "stopped", "short_result")
    nothing = "No failed tasks of django-q2 code here."
    operations = (RESUBMIT_FAILURES,)
    actions = (action_of(RESUBMIT_FAILURES),)

    @admin.display(description="short result")
    def short_result(self, task: Task) -> str:
        return str(truncatechars(str(task.result), RESULT_SHOWN))


class ScheduleForm(forms.ModelForm):
    """A schedule that can be run, of a function that may be named here."""

    class Meta:
        model = Schedule
        fields = "__all__"  # noqa: DJ007 - django-q2's own form, with what its versions add

    def clean_func(self) -> Any:
        return self._known("func")

    def clean_hook(self) -> Any:
        return self._known("hook")

    def _known(self, name: str) -> Any:
        """The path of a registered job definition; other code may only be left as it is, since
        whoever edits schedules could otherwise run anything that can be imported."""
        value = self.cleaned_data[name]
        if value and value != getattr(self.instance, name):
            definition = registry.registered(value)
            if definition is None or definition.internal:
                raise forms.ValidationError(
                    "%(value)s is not a registered job definition. Decorate it with @job, or "
                    "create the schedule in code with django_q.tasks.schedule().",
                    params={"value": value},
                )
            if definition.sensitive and name == "func":
                raise forms.ValidationError(
                    "%(value)s %(rule)s", params={"value": value, "rule": sensitive.READABLE}
                )
        return value

    def clean_args(self) -> Any:
        return self._readable("args", schedule_arguments.positional)

    def clean_kwargs(self) -> Any:
        return self._readable("kwargs", schedule_arguments.keyword)

    def _readable(self, name: str, read: Any) -> Any:
        try:
            read(self.cleaned_data[name])
        except MalformedSchedule as error:
            raise forms.ValidationError(error.rule) from error
        return self.cleaned_data[name]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and cleaned.get("schedule_type") == Schedule.CRON:
            try:
                schedule_times.rule_of(
                    Schedule(schedule_type=Schedule.CRON, cron=cleaned.get("cron")),
                    dt.datetime.now(dt.UTC),
                )
            except MalformedSchedule as error:
                self.add_error("cron", error.rule)
        return cleaned


class ScheduleAdmin(StockScheduleAdmin):  # type: ignore[misc]
    """django-q2's schedules. New ones had better be schedules of jobs, which can do more."""

    form = ScheduleForm
    list_filter = ("schedule_type",)
    show_full_result_count = False


def register(site: AdminSite) -> None:
    """Put these pages in the place of django-q2's, whichever was registered first.

    Importing django-q2's admin, as this module does, registers its pages if that has not happened
    yet, and it never happens twice.
    """
    replaced = {Success: SuccessAdmin, Failure: FailureAdmin, Schedule: ScheduleAdmin}
    for model, page in replaced.items():
        if site.is_registered(model):
            site.unregister(model)
        site.register(model, page)
    if Conf.BROKER_CLASS and not Conf.TESTING and site.is_registered(OrmQ):
        # Nothing is queued there, and its list opens the pickle of every row.
        site.unregister(OrmQ)


register(admin.site)
