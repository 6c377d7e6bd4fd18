"""Tells people of failure groups that open, and of those that are resolved.

The ledger inserts `tell_opened` in the transaction that writes the failure, and `resolve` inserts
`tell_resolved` with the resolution: what is in the ledger will be told. A message holds what the
page of the group shows and no more: no arguments, and no value from an exception's message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from uuid import UUID

from django.urls import NoReverseMatch, reverse

from jobs import dispatch
from jobs.conf import settings as conf
from jobs.definitions import job
from jobs.exceptions import NotificationFailed
from jobs.failures import notices
from jobs.failures.channels import Message, send
from jobs.failures.rules import Rule
from jobs.ledger.sql import FIRST
from jobs.models import FailedJob, FailureGroup, GroupStatus, Notice, NotificationRule

BACKOFF = [10, 60, 300, 900, 3600]


@job(internal=True, max_attempts=len(BACKOFF) + 1, backoff=BACKOFF)
def tell_opened(fingerprint: str, opening: str) -> int:
    """Tell every rule that matches of a group that is new, or was resolved and failed again.

    Returns how many were told. Fails, and is tried again, for those that could not be; those who
    were told are not told twice. A group that was resolved or muted meanwhile is no news.
    """
    group = FailureGroup.objects.using(conf.DATABASE).filter(pk=fingerprint).first()
    named = UUID(opening)
    if group is None or group.opening != named or group.status != GroupStatus.OPEN:
        return 0
    told, troubles = 0, list[str]()
    for rule in rules():
        if not matches(rule, group) or not notices.claim(rule, group.pk, named):
            continue
        try:
            send(rule, opened(group))
        except NotificationFailed as trouble:
            notices.give_back(rule, group.pk, named)
            troubles.append(str(trouble))
        else:
            notices.confirm(rule, group.pk, named)
            told += 1
    _raise(troubles)
    return told


@job(internal=True, max_attempts=len(BACKOFF) + 1, backoff=BACKOFF)
def tell_resolved(fingerprint: str) -> int:
    """Tell those who were told of a group that it is resolved, each once; return how many."""
    group = FailureGroup.objects.using(conf.DATABASE).filter(pk=fingerprint).first()
    if group is None or group.status != GroupStatus.RESOLVED:
        return 0
    known = {rule.key: rule for rule in rules()}
    told, troubles = 0, list[str]()
    for key in notices.keys_to_recover(group.pk):
        if key not in known or not notices.claim_recovery(key, group.pk):
            continue
        try:
            send(known[key], recovered(group))
        except NotificationFailed as trouble:
            notices.give_recovery_back(key, group.pk)
            troubles.append(str(trouble))
        else:
            told += 1
    _raise(troubles)
    return told


def enqueue_recoveries(fingerprints: Sequence[str]) -> None:
    """Have the resolution of these groups told, where somebody was told of them. Call it in the
    transaction that resolves them."""
    awaited = Notice.objects.using(conf.DATABASE).filter(
        group_id__in=fingerprints, opening__isnull=False, recovered_at__isnull=True
    )
    groups = FailureGroup.objects.using(conf.DATABASE).filter(pk__in=awaited.values("group_id"))
    dispatch.insert(
        [
            dispatch.new_job_from(
                tell_resolved.path,
                {"args": [], "kwargs": {"fingerprint": group.pk}},
                # A queue of old may be served no more.
                queue=group.queue if group.queue in conf.QUEUES else conf.QUEUES[0],
                priority=FIRST,
                tags=[f"group:{group.pk}"],
            )
            for group in groups.order_by("pk")
        ]
    )


def rules() -> list[Rule]:
    """The rules of JOBS_NOTIFY, and those of the admin that are enabled."""
    rows = NotificationRule.objects.using(conf.DATABASE).enabled().order_by("pk")
    return [*conf.NOTIFY.values(), *(row.as_rule() for row in rows)]


def matches(rule: Rule, group: FailureGroup) -> bool:
    """Whether the group has failures that the rule is about."""
    if rule.queue in ("", group.queue) and rule.definition in ("", group.definition):
        return True
    failed = FailedJob.objects.using(conf.DATABASE).filter(fingerprint=group.pk)
    if rule.queue:
        failed = failed.filter(queue=rule.queue)
    if rule.definition:
        failed = failed.filter(definition=rule.definition)
    return bool(failed.exists())


def opened(group: FailureGroup) -> Message:
    """What is told of a group that is new or has come back."""
    if group.reopened:
        lead = f"Failing again: {_name(group)}"
        since = f"It was resolved at {group.resolved_at:%Y-%m-%d %H:%M} UTC"
        facts = [f"{since} by {group.resolved_by}." if group.resolved_at else "It was resolved."]
    else:
        lead, facts = f"New failure: {_name(group)}", []
    return Message(subject=lead, text="\n".join([*_lines(group), *facts, *_links(group)]))


def recovered(group: FailureGroup) -> Message:
    """What is told of a group that is resolved."""
    return Message(
        subject=f"Resolved: {_name(group)}",
        text="\n".join(
            [*_lines(group), f"Resolved by {group.resolved_by or 'nobody named'}.", *_links(group)]
        ),
        is_bad=False,
    )


def _name(group: FailureGroup) -> str:
    # On one line whatever an exception is called: it goes into the head of a mail.
    return " ".join(f"{group.short_exception or 'no exception'} in {group.short_name}".split())


def _lines(group: FailureGroup) -> Iterable[str]:
    yield group.title
    if group.site:
        yield f"At {group.site}"
    yield f"Job {group.definition} on the queue {group.queue}"
    if group.release:
        yield f"{'Came back' if group.reopened else 'Started'} with release {group.release}"
    yield f"{group.count:,} so far, the first at {group.first_seen:%Y-%m-%d %H:%M:%S} UTC"


def _links(group: FailureGroup) -> Iterable[str]:
    if conf.BASE_URL:
        # A site may have no admin: its operators have the command.
        with suppress(NoReverseMatch):
            yield conf.BASE_URL + reverse("admin:jobs_failuregroup_change", args=[group.pk])
    yield f"manage.py queue_failed --group {group.pk}"


def _raise(troubles: Sequence[str]) -> None:
    if troubles:
        raise NotificationFailed("; ".join(troubles))
