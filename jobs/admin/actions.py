"""The operations on jobs and failed jobs. What they do lies in the engine; here is how they are
offered, and how their results are told."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.urls import reverse
from django.utils.html import format_html

from jobs import cancelling
from jobs.admin.bulk_scope import scope_of
from jobs.admin.display import duration
from jobs.admin.operations import Operation, Order, ReasonForm, Result, rows_of_jobs
from jobs.conf import settings as conf
from jobs.failures import flushing, operations, redrive
from jobs.failures.operations import HIGHEST_RATE
from jobs.management.output import counted
from jobs.models import FailedJob, Job, JobState

RETRY_CONSEQUENCE = (
    "Each becomes a new job with the same arguments, queue and priority. "
    "The failed job stays as history, with a link to the new one."
)


AT_ONCE = 1_000
"""So many are retried in the request."""


def _retry(rows: Any, order: Order) -> Result:
    return told_of_retry(redrive.retry(rows, order.actor, order.reason, scope=order.scope))


def told_of_retry(report: redrive.RedriveReport) -> Result:
    """What a retry did, in words."""
    text = f"Retried {counted(report.retried, 'failed job')}."
    refused = sum(report.refused.values())
    other = report.skipped - refused
    if other:
        text += f" {counted(other, 'was', 'were')} skipped: already retried, or gone."
    for why, count in report.refused.most_common(3):
        text += f" {counted(count, 'was', 'were')} refused: {why}"
    if report.retried == 1:
        address = reverse("admin:jobs_job_change", args=[report.job_ids[0]])
        text = format_html('{} <a href="{}">Open the new job</a>', text, address)
    return Result(text, messages.SUCCESS if report.retried and not refused else messages.WARNING)


def _already_retried(failed: FailedJob) -> str:
    return "This failed job was retried already." if failed.retried_at else ""


RETRY = Operation(
    name="retry",
    label="Retry",
    permission="retry",
    consequence=RETRY_CONSEQUENCE,
    touches=rows_of_jobs("failed_at", exact=False),
    applicable=lambda rows: rows.unretried(),
    perform=_retry,
    refusal=_already_retried,
    selected=True,
    single=True,
)


class RateForm(ReasonForm):
    """How fast, and why."""

    rate = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=HIGHEST_RATE,
        label="Rate",
        help_text="So many a second at the most. Optional: without it, as fast as it goes.",
    )
    field_order = ("rate", "reason")


def _retry_matching(rows: Any, order: Order) -> Result:
    rate = order.data["rate"]
    at_once = rate is None and len(rows.values_list("pk")[: AT_ONCE + 1]) <= AT_ONCE
    scope = None if at_once or order.matching is None else scope_of(order.matching)
    if scope is None:
        return _retry(rows, order)
    operation = operations.start(scope, order.actor, order.reason, words=order.scope, rate=rate)
    text = format_html(
        'Operation {} retries {} in the background. <a href="{}">Watch it</a>',
        operation.pk,
        counted(operation.total, "failed job"),
        reverse("admin:jobs_bulkoperation_change", args=[operation.pk]),
    )
    return Result(text)


RETRY_MATCHING = Operation(
    name="retry",
    label="Retry",
    permission="retry",
    consequence=f"{RETRY_CONSEQUENCE} More than {AT_ONCE:,}, or any number at a rate, are retried "
    "in the background by the clock of a cluster, as an operation that you can watch and stop.",
    touches=rows_of_jobs("failed_at", exact=False),
    applicable=lambda rows: rows.unretried(),
    perform=_retry_matching,
    form=RateForm,
    matching=True,
    bounded_by="failed_at",
)


def _forget(rows: Any, order: Order) -> Result:
    count = flushing.forget(rows, order.actor, order.reason, scope=order.scope)
    return _forgotten(f"Forgot {counted(count, 'failed job')}.", count)


def _undo() -> str:
    window = conf.UNDO_WINDOW
    if not window:
        return ""
    return f"For {duration(window)} this can be undone: see «Forgotten failed jobs»."


def _forgotten(text: str, count: int) -> Result:
    """Tell of it, with the way back where there is one."""
    if count and conf.UNDO_WINDOW:
        address = reverse("admin:jobs_forgottenfailedjob_changelist")
        text = format_html('{} <a href="{}">Restore what you need</a>', text, address)
    return Result(text, level_of(count))


FORGET = Operation(
    name="forget",
    label="Forget",
    permission="forget",
    consequence="They are gone from every list, with their tracebacks, and can no longer be "
    "retried. The jobs themselves stay in the list of jobs until their retention ends.",
    undo=_undo,
    touches=rows_of_jobs("failed_at", exact=True),
    perform=_forget,
    selected=True,
    single=True,
    destructive=True,
    leaves_row=False,
)


def _flush(rows: Any, order: Order) -> Result:
    count = flushing.flush(rows, order.actor, order.reason, scope=order.scope)
    return _forgotten(f"Flushed {counted(count, 'failed job')}.", count)


FLUSH = Operation(
    name="flush",
    label="Flush",
    permission="flush",
    consequence=FORGET.consequence,
    undo=_undo,
    touches=rows_of_jobs("failed_at", exact=True),
    perform=_flush,
    matching=True,
    destructive=True,
    bounded_by="failed_at",
)


def _restore(rows: Any, order: Order) -> Result:
    count = flushing.restore(rows, order.actor, order.reason, scope=order.scope)
    return Result(f"Restored {counted(count, 'failed job')}.", level_of(count))


RESTORE = Operation(
    name="restore",
    label="Restore",
    permission="restore",
    consequence="They are failed jobs again as they were before, and can be retried.",
    touches=rows_of_jobs("failed_at", exact=True),
    perform=_restore,
    selected=True,
    matching=True,
    single=True,
    bounded_by="forgotten_at",
    leaves_row=False,
)


def _cancel(rows: Any, order: Order) -> Result:
    report = cancelling.cancel(rows, order.actor, order.reason, scope=order.scope)
    parts = [f"Cancelled {counted(report.cancelled, 'job')}."]
    if report.requested:
        parts.append(f"Asked {counted(report.requested, 'running job')} to stop.")
    if report.skipped:
        why = ", ".join(f"{count:,} {reason}" for reason, count in report.reasons.most_common(3))
        parts.append(f"Skipped {report.skipped:,}: {why}.")
    return Result(" ".join(parts), level_of(report.cancelled + report.requested))


def _finished(job: Job) -> str:
    if job.is_finished:
        return f"This job has ended: it is {job.state}."
    if job.state == JobState.RUNNING and job.cancel_requested:
        return "This job was already asked to stop."
    return ""


CANCEL = Operation(
    name="cancel",
    label="Cancel",
    permission="cancel",
    consequence="A waiting job ends as cancelled, and so do the jobs that wait for it. "
    "A running job is asked to stop, and decides itself. A finished job stays as it is.",
    touches=rows_of_jobs("enqueued_at", exact=True),
    perform=_cancel,
    refusal=_finished,
    selected=True,
    single=True,
    destructive=True,
)


def _retry_of_job(rows: Any, order: Order) -> Result:
    return _retry(FailedJob.objects.filter(job__in=rows.values("pk")), order)


def _not_failed(job: Job) -> str:
    if job.state != JobState.FAILED:
        return f"Only a failed job can be retried; this one is {job.state}."
    failed = FailedJob.objects.filter(job_id=job.pk).first()
    if failed is None:
        return "Its failed job was forgotten, so it cannot be retried: restore it or clone the job."
    return _already_retried(failed)


RETRY_JOB = Operation(
    name="retry",
    label="Retry",
    permission="retry",
    consequence=RETRY_CONSEQUENCE,
    touches=rows_of_jobs("enqueued_at", exact=True),
    perform=_retry_of_job,
    refusal=_not_failed,
    single=True,
)


def level_of(count: int) -> int:
    """Of the message of an operation that has changed so many."""
    return messages.SUCCESS if count else messages.WARNING
