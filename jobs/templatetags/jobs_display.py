"""How values look in the templates of the admin: see `jobs.admin.display`."""

from __future__ import annotations

from functools import cache
from typing import Any

from django import template
from django.db.models.options import Options
from django.template.context import Context
from django.template.loader import get_template
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from jobs import metrics
from jobs.admin import display, sparkline, tracebacks
from jobs.models import AttemptOutcome, JobState

register = template.Library()

register.filter("when", display.when)
register.filter("at", display.at)
register.filter("duration", display.duration)
register.filter("badge", display.badge)
register.filter("short_name", display.short_name)
register.filter("pretty_json", display.pretty_json)
register.filter("short_json", display.short_json)
register.filter("preformatted", display.preformatted)
register.filter("progress_bar", display.progress_bar)
register.filter("readable_traceback", tracebacks.readable)
register.filter("sparkline", sparkline.sparkline)
register.filter("thousands", display.thousands)
register.filter("percent", display.percent)
register.filter("short_path", display.short_path)
register.filter("group_status", display.status_of_group)


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


@register.inclusion_tag("admin/jobs/includes/breadcrumbs.html")
def breadcrumbs(options: Options[Any], title: str, *, with_list: bool = True) -> dict[str, Any]:
    """The way to a page: index, app, list, and the page itself, in the running admin's markup."""
    steps = [
        ("Home", reverse("admin:index")),
        (options.app_config.verbose_name, reverse("admin:app_list", args=[options.app_label])),
    ]
    if with_list:
        address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
        steps.append((capfirst(str(options.verbose_name_plural)), address))
    return {"steps": steps, "title": title, "as_list": _breadcrumbs_are_a_list()}


@cache
def _breadcrumbs_are_a_list() -> bool:
    # Django 6.1 made it one, and its styles know nothing else; ask the template, not the version.
    source: str = get_template("admin/base.html").template.source  # type: ignore[attr-defined]
    return '<ol class="breadcrumbs">' in source


@register.inclusion_tag("admin/jobs/state_counts.html", takes_context=True)
def state_counts(context: Context) -> dict[str, Any]:
    """How many jobs there are in each state, bounded, for those who may see jobs."""
    user = context["request"].user
    if not user.has_perm("jobs.view_job"):
        return {"counts": []}
    found = metrics.jobs_by_state()
    counts = [(value, label, found[value]) for value, label in JobState.choices]
    return {"counts": counts}
