"""What a blocked job waits for: room in a limit, the end of a pause, another job, a workflow."""

from __future__ import annotations

from uuid import UUID

from jobs.conf import settings as conf
from jobs.explaining.reasons import Reason, Remedy
from jobs.limits import overview
from jobs.limits.kinds import LimitKind
from jobs.management.output import counted, moment
from jobs.models import Job, Step, StepKind, StepNeed, StepState, TagPause, TagWait, Workflow

OPEN = (StepState.WAITING, StepState.ACTIVE)
NAMED = 3
"""Of those who are waited for."""


def explain(job: Job) -> Reason:
    """The reason of a job that is blocked."""
    wait = overview.wait_of(job.pk)
    if wait is not None:
        return _for_limit(wait)
    held = (
        TagWait.objects.using(conf.DATABASE)
        .select_related("pause", "pause__paused_by")
        .filter(pk=job.pk)
        .first()
    )
    if held is not None:
        return tag_paused(held.pause)
    if job.follows_id is not None:
        return _after(job.follows_id)
    if job.chain is not None:
        return _in_workflow(job, job.chain)
    return Reason(
        "blocked", "It is blocked, and nothing says by what: cancel it, or look at the log."
    )


def tag_paused(pause: TagPause) -> Reason:
    """The reason of a job with this tag."""
    text = f"Its tag {pause.tag} is paused"
    text += f" by {pause.paused_by.get_username()}" if pause.paused_by is not None else ""
    text += (
        f" until {moment(pause.paused_until)}" if pause.paused_until else ", until it is resumed"
    )
    told = f"{text}: {pause.reason}" if pause.reason else f"{text}."
    resume = Remedy(
        "Resume the tag", "jobs_tagpause_resume", (pause.tag,), "jobs.pause_tag",
        f"queue_resume --tag {pause.tag}",
    )  # fmt: skip
    return Reason("tag_paused", told, remedies=(resume,))


def _for_limit(found: overview.LimitWaitFacts) -> Reason:
    key = found.wait.limit_key
    limit = key.limit
    change = Remedy(
        "See the limit", "jobs_limit_change", (limit.name,), "jobs.view_limit",
        f"queue_limits {limit.name}",
    )  # fmt: skip
    name = f"{limit.name} of {key.key}" if key.key else limit.name
    until = f", until {moment(key.wake_at)}" if key.wake_at is not None else ""
    if limit.kind == LimitKind.BREAKER:
        text = f"The breaker {name} is open{until}: what it protects has failed."
        return Reason("breaker_open", text, remedies=(change,))
    if limit.kind != LimitKind.CONCURRENCY:
        text = f"The limit {name} allows {overview.rule_of(limit)}, and that is used up{until}."
        return Reason("rate_limited", text, is_in_order=True, remedies=(change,))
    holders = ", ".join(str(job_id) for job_id in found.holders[:NAMED]) or "nobody any more"
    more = len(found.holders) - NAMED
    text = f"The limit {name} allows {overview.rule_of(limit)}, held by {holders}"
    text += f" and {counted(more, 'more job')}" if more > 0 else ""
    jobs = tuple(
        Remedy("See who holds it", "jobs_job_change", (str(job_id),), "jobs.view_job")
        for job_id in found.holders[:1]
    )
    return Reason("limit_held", f"{text}.", is_in_order=True, remedies=(*jobs, change))


def _after(job_id: UUID) -> Reason:
    before = Job.objects.using(conf.DATABASE).filter(pk=job_id).first()
    told = f", which is {before.state}" if before is not None else ", which is gone"
    page = Remedy("See that job", "jobs_job_change", (str(job_id),), "jobs.view_job")
    return Reason(
        "follows", f"It comes after the job {job_id}{told}.", is_in_order=True, remedies=(page,)
    )


def _in_workflow(job: Job, workflow_id: UUID) -> Reason:
    flow = Workflow.objects.using(conf.DATABASE).filter(pk=workflow_id).first()
    if flow is None:
        return Reason("workflow_gone", f"Its workflow {workflow_id} is gone: cancel it.")
    page = Remedy("See the workflow", "jobs_workflow_change", (str(flow.pk),), "jobs.view_workflow")
    steps = Step.objects.using(conf.DATABASE)
    step = steps.filter(workflow=flow, job=job.pk).first()
    waits = _needed(step) if step is not None else []
    if not waits:
        text = f"It waits for the {flow.kind} {flow.name or flow.pk} to begin."
        return Reason("workflow", text, is_in_order=True, remedies=(page,))
    decided = next(
        (one for one in waits if one.state == StepState.ACTIVE and _is_decided(one)), None
    )
    if decided is not None:
        word = "approval" if decided.kind == StepKind.APPROVAL else "signal"
        text = f"It waits for the {word} {decided.name!r}."
        return Reason(word, text, remedies=(page,))
    names = ", ".join(repr(one.name) for one in waits[:NAMED])
    more = f" and {len(waits) - NAMED} more" if len(waits) > NAMED else ""
    text = f"It comes after {names}{more} of its {flow.kind}."
    return Reason("after_steps", text, is_in_order=True, remedies=(page,))


def _needed(step: Step) -> list[Step]:
    """The steps that this one still waits for."""
    needs = StepNeed.objects.using(conf.DATABASE).filter(step=step).values("needs")
    rows = Step.objects.using(conf.DATABASE).filter(pk__in=needs, state__in=OPEN)
    return list(rows.order_by("position"))


def _is_decided(step: Step) -> bool:
    return step.kind in (StepKind.APPROVAL, StepKind.SIGNAL)
