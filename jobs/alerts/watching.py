"""Watching: alerts open, are told once, close, and are told of once more.

Who watches does not matter: the clock of the leading cluster, `queue_monitor --watch` beside it, or
both. The database decides who tells what, by one conditional update for each message. A message
that could not be sent is tried again by the next look.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from jobs.alerts.conditions import Finding, Scene, findings
from jobs.conf import settings as conf
from jobs.exceptions import NotificationFailed
from jobs.failures.channels import Message, send
from jobs.ledger import ledger
from jobs.models import Alert, AlertRule

# Asked every few seconds, on most sites in vain: then this is all.
_SOMETHING = (
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM jobs_alertrule WHERE enabled) "
    "OR EXISTS (SELECT 1 FROM jobs_alert WHERE closed_at IS NULL)"
)

logger = logging.getLogger("jobs.alerts")


@dataclass(slots=True)
class Report:
    """What a look has found and done."""

    open: list[str] = field(default_factory=list)
    """The texts of all alerts that are open now."""
    told: int = 0
    recovered: int = 0
    troubles: list[str] = field(default_factory=list)


def run_once() -> Report:
    """Look at everything that enabled rules watch; open, tell and close alerts."""
    report = Report()
    if not ledger().look(_SOMETHING):
        return report
    rules = list(AlertRule.objects.using(conf.DATABASE).enabled().select_related("schedule"))
    scene = Scene() if rules else None
    for rule in rules:
        assert scene is not None
        found = {one.subject[:200]: one for one in findings(rule, scene)}
        _open(rule, found, scene.now)
        _close(rule, set(found), scene.now)
        _tell(rule, scene.now, report)
        report.open += [one.text for one in found.values()]
    _close_of_disabled()
    return report


def _open(rule: AlertRule, found: dict[str, Finding], now: dt.datetime) -> None:
    rows = Alert.objects.using(conf.DATABASE)
    known = {one.subject: one for one in rows.open().filter(rule=rule)}
    for subject, one in found.items():
        if subject in known:
            rows.filter(pk=known[subject].pk).update(text=one.text[:500], seen_at=now)
            continue
        try:
            with transaction.atomic(using=conf.DATABASE):
                rows.create(
                    rule=rule, subject=subject, text=one.text[:500], opened_at=now, seen_at=now
                )
        except IntegrityError:
            # Another watcher has opened it just now.
            continue


def _close(rule: AlertRule, found: set[str], now: dt.datetime) -> None:
    over = Alert.objects.using(conf.DATABASE).open().filter(rule=rule).exclude(subject__in=found)
    over.update(closed_at=now)


def _close_of_disabled() -> None:
    """What nobody watches any more is neither open nor a recovery."""
    rows = Alert.objects.using(conf.DATABASE).open().filter(rule__enabled=False)
    rows.update(closed_at=Now(), recovery_told_at=Now())


def _tell(rule: AlertRule, now: dt.datetime, report: Report) -> None:
    rows = Alert.objects.using(conf.DATABASE).filter(rule=rule)
    for alert in rows.open().filter(told_at__isnull=True):
        recent = rows.filter(subject=alert.subject, told_at__gt=now - rule.cooldown)
        untold = rows.filter(pk=alert.pk, told_at__isnull=True)
        if recent.exists() or not untold.update(told_at=now):
            continue
        if _sent(rule, Message(subject=f"Alert: {rule.name}", text=alert.text), report):
            report.told += 1
        else:
            rows.filter(pk=alert.pk).update(told_at=None)
    closed = rows.filter(closed_at__isnull=False, told_at__isnull=False)
    for alert in closed.filter(recovery_told_at__isnull=True):
        untold = rows.filter(pk=alert.pk, recovery_told_at__isnull=True)
        if not untold.update(recovery_told_at=now):
            continue
        if _sent(rule, _recovery(rule, alert), report):
            report.recovered += 1
        else:
            rows.filter(pk=alert.pk).update(recovery_told_at=None)


def _recovery(rule: AlertRule, alert: Alert) -> Message:
    return Message(
        subject=f"Over: {rule.name}",
        text=f"{alert.subject} is within bounds again. It was not since "
        f"{alert.opened_at:%Y-%m-%d %H:%M} UTC: {alert.text}",
        is_bad=False,
    )


def _sent(rule: AlertRule, message: Message, report: Report) -> bool:
    try:
        send(rule.as_rule(), message)
    except NotificationFailed as trouble:
        logger.warning("%s", trouble)
        report.troubles.append(str(trouble))
        return False
    return True
