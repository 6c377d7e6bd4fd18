"""The list of jobs, and the page of one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from jobs import registry
from jobs.admin import actions, display, filters, lineage, periods, search
from jobs.admin.dispatch import DispatchView
from jobs.admin.editing import CloneView, refusal_of_clone
from jobs.admin.operations import action_of
from jobs.admin.reasons import shown
from jobs.admin.revealing import RevealsArguments
from jobs.admin.timeline import timeline_of
from jobs.definitions import JobDefinition
from jobs.execution.policy import Policy
from jobs.explaining import explain_job
from jobs.models import FailedJob, Job, JobState, JobTag, Workflow
from jobs.models.job import JobQuerySet

LOG_LINES = 500
GROUPS = 8
"""A search for more definitions than this reads the newest jobs until it has found enough."""


@admin.register(Job)
class JobAdmin(RevealsArguments):
    """Every job in the ledger, newest first."""

    list_display = (
        "name",
        "state_shown",
        "queue_shown",
        "attempts_shown",
        "enqueued",
        "wait_shown",
        "run_time_shown",
    )
    list_display_links = None
    list_filter = (
        filters.StateFilter,
        filters.QueueFilter,
        periods.EnqueuedFilter,
        filters.DefinitionFilter,
        filters.TagFilter,
    )
    search_fields = ("id",)
    search_help_text = (
        "A job's id, a part of a definition's name, or a whole tag. “tag:…” looks for tags only."
    )
    nothing = "No jobs here. Jobs appear as soon as code, a schedule or an operator enqueues one."
    operations = (actions.CANCEL, actions.RETRY_JOB)
    actions = [action_of(actions.CANCEL)]

    def get_urls(self) -> list[URLPattern]:
        dispatch = self.admin_site.admin_view(DispatchView.as_view(model_admin=self))
        clone = self.admin_site.admin_view(CloneView.as_view(model_admin=self))
        return [
            path("dispatch/", dispatch, name="jobs_job_dispatch"),
            path("<path:object_id>/clone/", clone, name="jobs_job_clone"),
            *super().get_urls(),
        ]

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.cancel_job")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.retry_failedjob")

    def has_dispatch_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("jobs.dispatch_job")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Newest first; those with a due time the soonest first, and finished ones the latest end
        first. It is what the state's own index has.

        The jobs of a queue or definition have indexes by the time they were enqueued. The few that
        did not succeed are found by their state alone, whatever else is asked: they may all be
        old, and a walk from the newest job would pass millions.
        """
        state = request.GET.get("state")
        grouped = self._is_grouped(request)
        tagged = request.GET.get("tag") or request.GET.get("q")
        if state in (JobState.FAILED, JobState.CANCELLED):
            return ("-finished_at", "-id")
        if grouped:
            return ("-enqueued_at", "-id")
        if state == JobState.SUCCEEDED and not tagged and not self._has_period(request):
            return ("-finished_at", "-id")
        if state == JobState.SCHEDULED and not tagged:
            return ("due_at", "id")
        return ("-id",)

    def parts_of(self, request: HttpRequest, rows: JobQuerySet) -> Sequence[QuerySet[Job]]:
        if not self._is_grouped(request):
            return (rows,)
        names = self._definitions(request)
        groups = [rows.filter(definition=name) for name in names] if names else [rows]
        state = request.GET.get("state")
        states = [state] if state else []
        return [part for group in groups for part in group.by_state(*states)]

    def _is_grouped(self, request: HttpRequest) -> bool:
        """Whether the list is of so few queues or definitions that each can be read by itself."""
        if request.GET.get("tag"):
            return False
        searched = self._definitions(request)
        if request.GET.get("q") and not searched:
            return False
        by_filter = request.GET.get("queue") or request.GET.get("definition")
        return bool(by_filter or searched) and len(searched) <= GROUPS

    def _definitions(self, request: HttpRequest) -> list[str]:
        """The definitions that the search is for, looked up once in a request."""
        found: list[str] | None = getattr(request, "_jobs_searched", None)
        if found is None:
            found = search.definitions_of_jobs(request.GET.get("q", ""))
            setattr(request, "_jobs_searched", found)  # noqa: B010
        return found

    def _has_period(self, request: HttpRequest) -> bool:
        return any(request.GET.get(name) for name in ("period", "from", "to"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        # Arguments and results can be large, and no column shows them.
        listed = super().get_queryset(request)
        if self.is_list(request):
            return listed.defer("arguments", "result", "checkpoint").prefetch_related("tags")
        return listed

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        return search.jobs(queryset, search_term, self._definitions(request)), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {"dispatch_url": self._dispatch_url(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    @admin.display(description="job and tags")
    def name(self, job: Job) -> SafeString:
        tags = [tag.name for tag in job.tags.all()]
        return display.titled(self.address_of(job), job.definition, tags)

    @admin.display(description="state")
    def state_shown(self, job: Job) -> SafeString:
        return display.state_of_job(job)

    @admin.display(description="queue")
    def queue_shown(self, job: Job) -> SafeString:
        return format_html(
            '{}<br><span class="jobs-quiet jobs-number">priority {}</span>', job.queue, job.priority
        )

    @admin.display(description="attempts")
    def attempts_shown(self, job: Job) -> SafeString:
        return display.attempts(job.attempts, max_attempts_of(job))

    @admin.display(description="enqueued")
    def enqueued(self, job: Job) -> SafeString | str:
        return display.when(job.enqueued_at)

    @admin.display(description="wait")
    def wait_shown(self, job: Job) -> SafeString:
        return display.number(display.duration(wait_of(job)))

    @admin.display(description="run time")
    def run_time_shown(self, job: Job) -> SafeString:
        return display.number(display.duration(run_time_of(job)))

    def detail(self, request: HttpRequest, row: Job) -> dict[str, Any]:
        attempts = list(row.attempt_records.select_related("worker").order_by("fence"))
        lines = list(row.log_lines.order_by("-id")[: LOG_LINES + 1])
        definition = registry.find(row.definition)
        failed = FailedJob.objects.filter(job_id=row.pk).first()
        tags = list(JobTag.objects.filter(job=row).values_list("name", flat=True))
        return {
            "title": row.short_name,
            "subtitle": str(row.pk),
            "job": row,
            "definition": definition,
            "max_attempts": max_attempts_of(row),
            "run_time": run_time_of(row),
            "tags": tags,
            "timeline": timeline_of(row, attempts),
            "attempts": attempts,
            "log_lines": lines[:LOG_LINES][::-1],
            "log_is_cut": len(lines) > LOG_LINES,
            "failed_job": failed,
            "lineage": lineage.of(row, failed),
            "reason": None if row.is_finished else shown(request, explain_job(row)),
            "clone_url": self._clone_url(request, row),
            "workflow": self._workflow(row),
            "copy_url": self._copy_url(request, row, definition),
            **self.arguments_of(request, row),
        }

    def _workflow(self, job: Job) -> Workflow | None:
        return Workflow.objects.filter(pk=job.chain).first() if job.chain is not None else None

    def _dispatch_url(self, request: HttpRequest) -> str:
        if not self.has_dispatch_permission(request):
            return ""
        return reverse(f"{self.admin_site.name}:jobs_job_dispatch")

    def _clone_url(self, request: HttpRequest, job: Job) -> str:
        if refusal_of_clone(job) or not request.user.has_perms(CloneView.permissions):
            return ""
        return reverse("admin:jobs_job_clone", args=[job.pk])

    def _copy_url(self, request: HttpRequest, job: Job, definition: JobDefinition | None) -> str:
        # One that has ended is cloned: that links the two.
        if definition is None or definition.internal or job.is_finished:
            return ""
        address = self._dispatch_url(request)
        query = urlencode({"definition": job.definition, "like": str(job.pk)})
        return f"{address}?{query}" if address else ""


def max_attempts_of(job: Job) -> int | None:
    """The limit that the job's policy sets; None is no limit."""
    return Policy.of(registry.find(job.definition), job.options, None).max_attempts


def wait_of(job: Job) -> dt.timedelta | None:
    """From enqueueing to the latest attempt, or until now while it has not had any."""
    return timezone.now() - job.enqueued_at if job.state == JobState.READY else job.wait


def run_time_of(job: Job) -> dt.timedelta | None:
    """Of the latest attempt: until its end, or until now while it runs."""
    if job.state == JobState.RUNNING and job.started_at:
        return timezone.now() - job.started_at
    return job.run_time
