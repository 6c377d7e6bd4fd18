"""The list of failure groups, and the page of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from jobs.admin import display, filters, search
from jobs.admin import failure_group_actions as actions
from jobs.admin.operations import action_of
from jobs.admin.pagination import KeysetChangeList
from jobs.admin.readonly import ReadOnlyAdmin
from jobs.admin.sparkline import sparkline
from jobs.failures import patterns
from jobs.models import FailedJob, FailureGroup, GroupStatus

if TYPE_CHECKING:
    from jobs.models.failure_group import FailureGroupQuerySet

LATEST = 20
MESSAGE_SHOWN = 200
PATTERN = ("definition", "queue", "host", "release")


class GroupStatusFilter(filters.ExactFilter):
    title = "status"
    parameter = "status"

    def lookups(self) -> filters.Choices:
        return GroupStatus.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value:
            return queryset
        if self.value not in GroupStatus.values:
            rule = f"must be one of {', '.join(GroupStatus.values)}"
            raise IncorrectLookupParameters(f"status: {self.value!r}: {rule}")
        groups = cast("FailureGroupQuerySet", queryset)
        return groups.standing(self.value, timezone.now())


class AffectedQueueFilter(filters.QueueFilter):
    """Groups with a failed job on the queue, or whose first failure was on it."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return _affecting(queryset, "queue", self.value)


class AffectedDefinitionFilter(filters.DefinitionFilter):
    """Groups with a failed job of the definition, or whose first failure was one of it."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return _affecting(queryset, "definition", self.value)


class FailureGroupChangeList(KeysetChangeList):
    """Knows the trend and the queues of the groups on its page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        fingerprints = [group.pk for group in self.result_list]
        self.trends = patterns.trends(fingerprints)
        self.queues = patterns.queues_of(fingerprints)
        for group in self.result_list:
            group.trend, group.queues = self.trends[group.pk], self.queues[group.pk]


@admin.register(FailureGroup)
class FailureGroupAdmin(ReadOnlyAdmin):
    """Every cause of failures, the one that failed last first."""

    list_display = (
        "cause",
        "count_shown",
        "trend_shown",
        "first_shown",
        "last_shown",
        "queues_shown",
        "status_shown",
    )
    list_display_links = None
    list_filter = (
        GroupStatusFilter,
        AffectedQueueFilter,
        AffectedDefinitionFilter,
        filters.ExceptionFilter,
    )
    search_fields = ("fingerprint",)
    search_help_text = (
        "The beginning of a fingerprint, or a part of the exception, its message, the place in "
        "the code, or the definition."
    )
    list_title = "Failure groups"
    nothing = "No failure groups here. Failed jobs of one cause come together in one."
    operations = (
        actions.RETRY,
        actions.RESOLVE,
        actions.REOPEN,
        actions.MUTE,
        actions.UNMUTE,
        actions.NOTE,
        actions.FORGET,
    )
    actions = [
        action_of(operation)
        for operation in (
            actions.RETRY,
            actions.RESOLVE,
            actions.REOPEN,
            actions.MUTE,
            actions.UNMUTE,
            actions.FORGET,
        )
    ]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.retry_failuregroup")

    def has_forget_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.forget_failuregroup")

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.resolve_failuregroup")

    def has_reopen_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.reopen_failuregroup")

    def has_mute_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.mute_failuregroup")

    def has_note_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.note_failuregroup")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-last_seen", "-fingerprint")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return FailureGroupChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[FailureGroup], search_term: str
    ) -> tuple[QuerySet[FailureGroup], bool]:
        return search.failure_groups(queryset, search_term), False

    @admin.display(description="cause")
    def cause(self, group: FailureGroup) -> SafeString:
        message = group.message
        return format_html(
            '<a href="{}">{}</a> <span class="jobs-error"><b>{}</b> {}</span>'
            '<div class="jobs-tags jobs-quiet">{}</div>',
            self.address_of(group),
            display.short_name(group.definition),
            group.short_exception,
            message if len(message) <= MESSAGE_SHOWN else f"{message[:MESSAGE_SHOWN]}…",
            group.site,
        )

    @admin.display(description="count")
    def count_shown(self, group: FailureGroup) -> SafeString:
        return display.number(f"{group.count:,}")

    @admin.display(description="last 24 h")
    def trend_shown(self, group: Any) -> SafeString:
        return format_html("{} {}", sparkline(group.trend), display.number(group.trend.amount))

    @admin.display(description="first seen")
    def first_shown(self, group: FailureGroup) -> SafeString | str:
        return display.when(group.first_seen)

    @admin.display(description="last seen")
    def last_shown(self, group: FailureGroup) -> SafeString | str:
        return display.when(group.last_seen)

    @admin.display(description="queues")
    def queues_shown(self, group: Any) -> str:
        return ", ".join(group.queues) or group.queue

    @admin.display(description="status")
    def status_shown(self, group: FailureGroup) -> SafeString:
        shown = display.status_of_group(group)
        if not group.reopened:
            return shown
        times = "once" if group.reopened == 1 else f"{group.reopened:,} times"
        return format_html('{}<div class="jobs-tags jobs-quiet">came back {}</div>', shown, times)

    def detail(self, request: HttpRequest, row: FailureGroup) -> dict[str, Any]:
        failed = FailedJob.objects.filter(fingerprint=row.pk).order_by("-failed_at", "-id")
        sample = failed.first()
        changelist = reverse("admin:jobs_failedjob_changelist")
        return {
            "title": f"{row.short_exception or 'No exception'} in {row.short_name}",
            "subtitle": row.fingerprint,
            "group": row,
            "status": display.status_of_group(row),
            "sample": sample,
            "trend": patterns.trends([row.pk])[row.pk],
            "affected": patterns.affected(row.pk),
            "pattern": patterns.pivot(PATTERN, fingerprint=row.pk),
            "latest": failed.defer("arguments", "options", "traceback")[:LATEST],
            "failed_url": f"{changelist}?{urlencode({'fingerprint': row.pk})}",
        }


def _affecting(rows: QuerySet[Any], field: str, value: str) -> QuerySet[Any]:
    if not value:
        return rows
    failed = FailedJob.objects.filter(fingerprint=OuterRef("pk"), **{field: value})
    return rows.filter(Q(**{field: value}) | Exists(failed))
