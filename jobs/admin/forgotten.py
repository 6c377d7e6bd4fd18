"""The list of failed jobs that were forgotten a short while ago, and can be restored."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from jobs.admin import actions, display, filters
from jobs.admin.failures import FailedJobAdmin
from jobs.admin.operations import action_of
from jobs.conf import settings as conf
from jobs.ledger import ledger
from jobs.models import AuditEntry, ForgottenFailedJob


@admin.register(ForgottenFailedJob)
class ForgottenFailedJobAdmin(FailedJobAdmin):
    """What was forgotten and is not deleted yet, the latest first."""

    list_display = ("name", "error", "queue", "failed", "forgotten", "deleted", "who")
    list_filter = (filters.QueueFilter, filters.DefinitionFilter, filters.ExceptionFilter)
    list_title = "Forgotten failed jobs"
    nothing = "Nothing was forgotten lately that could be restored."
    detail_template = "admin/jobs/failedjob/detail.html"
    operations = (actions.RESTORE,)
    actions = [action_of(actions.RESTORE)]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("jobs.view_failedjob")

    def has_restore_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.restore_failedjob")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-forgotten_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("forgotten_in")

    @admin.display(description="forgotten")
    def forgotten(self, failed: ForgottenFailedJob) -> SafeString | str:
        return display.when(failed.forgotten_at)

    @admin.display(description="deleted")
    def deleted(self, failed: ForgottenFailedJob) -> SafeString | str:
        if failed.forgotten_at is None:
            return display.NOTHING
        return display.when(failed.forgotten_at + conf.UNDO_WINDOW)

    @admin.display(description="by")
    def who(self, failed: ForgottenFailedJob) -> str:
        entry = failed.forgotten_in
        return f"{entry.actor_name} ({entry.action})" if entry is not None else display.NOTHING

    def detail(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        entry = AuditEntry.objects.using(conf.DATABASE).filter(pk=row.forgotten_in_id).first()
        return {
            **super().detail(request, row),
            "forgotten_in": entry,
            "deleted_at": row.forgotten_at + conf.UNDO_WINDOW,
            "is_over": row.forgotten_at + conf.UNDO_WINDOW <= ledger().now(),
            "edit_url": "",
        }
