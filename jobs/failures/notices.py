"""Who may send what about a group: the cool-down of rules, held by the database.

A notice is claimed before a message leaves, by one conditional update, and confirmed after it: of
several processes one sends, and a job that was stopped in between may claim again.
"""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from jobs.conf import settings as conf
from jobs.failures.rules import Rule
from jobs.ledger import ledger
from jobs.models import Notice


def claim(rule: Rule, fingerprint: str, opening: UUID) -> bool:
    """Whether this rule is to be told of this opening now, by the caller.

    Not if it was told of it already, nor within the cool-down of its last message about the group.
    """
    rows = Notice.objects.using(conf.DATABASE)
    rows.get_or_create(rule=rule.key, group_id=fingerprint)
    own = Q(opening=opening, sent_at__isnull=True)
    over = Q(claimed_at__lte=ledger().now() - rule.cooldown) & ~Q(opening=opening)
    free = _of(rule.key, fingerprint).filter(Q(opening__isnull=True) | own | over)
    taken = free.update(opening=opening, claimed_at=Now(), sent_at=None, recovered_at=None)
    return taken == 1


def confirm(rule: Rule, fingerprint: str, opening: UUID) -> None:
    """The message has left."""
    _of(rule.key, fingerprint).filter(opening=opening).update(sent_at=Now())


def give_back(rule: Rule, fingerprint: str, opening: UUID) -> None:
    """The message could not be sent: the claim no longer keeps anybody from it."""
    claimed = _of(rule.key, fingerprint).filter(opening=opening, sent_at__isnull=True)
    claimed.update(opening=None, claimed_at=None)


def keys_to_recover(fingerprint: str) -> list[str]:
    """The keys of the rules that were told of the group, and not yet of its recovery."""
    rows = Notice.objects.using(conf.DATABASE).filter(group_id=fingerprint)
    told = rows.filter(sent_at__isnull=False, recovered_at__isnull=True)
    return list(told.order_by("rule").values_list("rule", flat=True))


def claim_recovery(key: str, fingerprint: str) -> bool:
    """Whether the recovery is to be told now, by the caller: once for each message before it."""
    told = _of(key, fingerprint).filter(sent_at__isnull=False, recovered_at__isnull=True)
    return told.update(recovered_at=Now()) == 1


def give_recovery_back(key: str, fingerprint: str) -> None:
    """The message of the recovery could not be sent."""
    _of(key, fingerprint).update(recovered_at=None)


def _of(key: str, fingerprint: str) -> QuerySet[Notice]:
    return Notice.objects.using(conf.DATABASE).filter(rule=key, group_id=fingerprint)
