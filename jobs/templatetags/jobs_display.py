"""How values look in the templates of the admin: see `jobs.admin.display`."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import Context
from django.utils.safestring import SafeString

from jobs.admin import display, tracebacks
from jobs.models import AttemptOutcome, JobState
from jobs.monitoring import metrics

register = template.Library()

register.filter("when", display.when)
register.filter("at", display.at)
register.filter("duration", display.duration)
register.filter("badge", display.badge)
register.filter("short_name", display.short_name)
register.filter("pretty_json", display.pretty_json)
register.filter("preformatted", display.preformatted)
register.filter("progress_bar", display.progress_bar)
register.filter("readable_traceback", tracebacks.readable)


@register.filter
def state_badge(state: str) -> SafeString:
    """The badge of a job's state."""
    return display.state_badge(state, JobState)


@register.filter
def outcome_badge(outcome: str) -> SafeString:
    """The badge of an attempt's outcome."""
    return display.state_badge(outcome, AttemptOutcome)


@register.filter
def job_state(job: Any) -> SafeString:
    """State and life-cycle word of a job."""
    return display.state_of_job(job)


@register.filter
def tag_links(tags: Any) -> SafeString | str:
    """All tags, as links."""
    return display.tag_links(list(tags), limit=None)


@register.filter
def attempts_of(job: Any, allowed: int | None) -> SafeString:
    """Attempts spent out of those allowed."""
    return display.attempts(job.attempts, allowed)


@register.inclusion_tag("admin/jobs/state_counts.html", takes_context=True)
def state_counts(context: Context) -> dict[str, Any]:
    """How many jobs there are in each state, bounded, for those who may see jobs."""
    user = context["request"].user
    if not user.has_perm("jobs.view_job"):
        return {"counts": []}
    found = metrics.jobs_by_state()
    counts = [(value, label, found[value]) for value, label in JobState.choices]
    return {"counts": counts}
