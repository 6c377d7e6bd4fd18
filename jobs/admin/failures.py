"""The list of failed jobs, and the page of one."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from jobs import registry
from jobs.admin import actions, display, filters, periods, search
from jobs.admin.editing import EditView, refusal_of_edit
from jobs.admin.operations import Operation, action_of
from jobs.admin.revealing import RevealsArguments
from jobs.models import FailedJob, FailureGroup, FailureReason, Job

SIBLINGS = 1_000
MESSAGE_SHOWN = 200


@admin.register(FailedJob)
class FailedJobAdmin(RevealsArguments):
    """Every failed job that was not forgotten, the latest first."""

    list_display: tuple[str, ...] = (
        "name",
        "error",
        "cause",
        "queue",
        "attempts_shown",
        "failed",
        "retried",
    )
    list_display_links = None
    list_filter: ClassVar[tuple[Any, ...]] = (
        filters.RetriedFilter,
        filters.QueueFilter,
        periods.FailedAtFilter,
        filters.DefinitionFilter,
        filters.ExceptionFilter,
        filters.FingerprintFilter,
    )
    search_fields = ("id",)
    search_help_text = (
        "The id of a failed job or of its job, a part of a definition's name, the full path of an "
        "exception class, or an argument such as customer=7."
    )
    list_title = "Failed jobs"
    nothing = "No failed jobs here. A job comes here when it will not be tried again by itself."
    operations: ClassVar[tuple[Operation, ...]] = (
        actions.RETRY,
        actions.RETRY_MATCHING,
        actions.FORGET,
        actions.FLUSH,
    )
    actions = [action_of(actions.RETRY), action_of(actions.FORGET)]

    def get_urls(self) -> list[URLPattern]:
        if self.model is not FailedJob:
            return super().get_urls()
        edit = self.admin_site.admin_view(EditView.as_view(model_admin=self))
        address = path("<path:object_id>/edit-and-retry/", edit, name="jobs_failedjob_edit")
        return [address, *super().get_urls()]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.retry_failedjob")

    def has_forget_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.forget_failedjob")

    def has_flush_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.flush_failedjob")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-failed_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FailedJob]:
        listed = super().get_queryset(request)
        if self.is_list(request):
            return listed.defer("arguments", "traceback", "options")
        return listed

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[FailedJob], search_term: str
    ) -> tuple[QuerySet[FailedJob], bool]:
        return search.failed_jobs(queryset, search_term), False

    @admin.display(description="job and tags")
    def name(self, failed: FailedJob) -> SafeString:
        tags = [str(tag) for tag in failed.tags]
        return display.titled(self.address_of(failed), failed.definition, tags)

    @admin.display(description="error")
    def error(self, failed: FailedJob) -> SafeString:
        message = failed.message.partition("\n")[0]
        reason: str = failed.get_reason_display()
        return format_html(
            '<span class="jobs-error" title="{}">{} <b>{}</b> {}</span>',
            failed.message[: 5 * MESSAGE_SHOWN],
            "" if failed.reason == FailureReason.EXCEPTION else display.badge("failed", reason),
            failed.exception_class.rpartition(".")[2],
            message if len(message) <= MESSAGE_SHOWN else f"{message[:MESSAGE_SHOWN]}…",
        )

    @admin.display(description="cause")
    def cause(self, failed: FailedJob) -> SafeString:
        address = reverse("admin:jobs_failuregroup_change", args=[quote(failed.fingerprint)])
        return format_html(
            '<a class="jobs-code" href="{}" title="Failure group {}">{}</a>',
            address,
            failed.fingerprint,
            failed.fingerprint[:8],
        )

    @admin.display(description="attempts")
    def attempts_shown(self, failed: FailedJob) -> SafeString:
        return display.number(str(failed.attempts))

    @admin.display(description="failed")
    def failed(self, failed: FailedJob) -> SafeString | str:
        return display.when(failed.failed_at)

    @admin.display(description="retried")
    def retried(self, failed: FailedJob) -> SafeString | str:
        if not failed.retried_at:
            return display.NOTHING
        mark = display.badge("retrying", "retried")
        if not failed.retried_as_id:
            return mark
        address = reverse("admin:jobs_job_change", args=[failed.retried_as_id])
        return format_html('<a href="{}" title="{}">{}</a>', address, failed.retried_as_id, mark)

    def detail(self, request: HttpRequest, row: FailedJob) -> dict[str, Any]:
        siblings = FailedJob.objects.filter(fingerprint=row.fingerprint).order_by("-failed_at")
        count = len(siblings.values_list("pk")[: SIBLINGS + 1])
        changelist = reverse("admin:jobs_failedjob_changelist")
        known = Job.objects.in_bulk([pk for pk in (row.job_id, row.retried_as_id) if pk])
        return {
            "title": row.short_name,
            "subtitle": f"{row.get_reason_display()}: {row.exception_class}",
            "failed": row,
            "edit_url": self._edit_url(request, row),
            "edit_refusal": refusal_of_edit(row),
            "recovery": recovery_of(row),
            "definition": registry.find(row.definition),
            "siblings": f"{SIBLINGS:,}+" if count > SIBLINGS else f"{count:,}",
            "alone": count == (0 if row.forgotten_at else 1),
            "group": FailureGroup.objects.filter(pk=row.fingerprint).first(),
            "siblings_url": f"{changelist}?{urlencode({'fingerprint': row.fingerprint})}",
            "job": known.get(row.job_id),
            "retried_as": known.get(row.retried_as_id) if row.retried_as_id else None,
            **self.arguments_of(request, row),
        }

    def _edit_url(self, request: HttpRequest, row: FailedJob) -> str:
        if not request.user.has_perms(EditView.permissions):
            return ""
        return reverse("admin:jobs_failedjob_edit", args=[row.pk])


def recovery_of(failed: FailedJob) -> str:
    """What the rule of its definition does with it, in words; empty where there is nothing to
    tell."""
    definition = registry.find(failed.definition)
    rule = definition.recover if definition is not None else None
    at_most = f" of {rule.at_most}" if rule is not None else ""
    if failed.recover_at is not None and not failed.retried_at:
        return (
            f"by the rule of its definition at {display.absolute(failed.recover_at)}, as number "
            f"{failed.recoveries + 1}{at_most} along its line of retries"
        )
    if not failed.recoveries:
        return "no: its rule does not apply to this failure" if rule is not None else ""
    return f"its line of retries was run again {failed.recoveries}{at_most} times by the rule"
