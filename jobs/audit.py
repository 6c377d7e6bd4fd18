"""Who operates, and the record of what they did."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobs.conf import settings as conf
from jobs.models import AuditEntry

if TYPE_CHECKING:
    from django.http import HttpRequest

ADMIN, COMMAND, PYTHON = "admin", "command", "python"
SAMPLE = 100
"""So many ids of an operation's rows are kept with its entry."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone who operates, and from where: `surface` is admin, command or python."""

    user: Any
    name: str
    surface: str

    @classmethod
    def of_request(cls, request: HttpRequest, surface: str = ADMIN) -> Actor:
        """The user who is logged in. Raises PermissionError where nobody is."""
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            raise PermissionError("Only a user who is logged in can operate jobs.")
        return cls(user, user.get_username(), surface)

    @classmethod
    def of_command(cls) -> Actor:
        """The operating system's user who runs this process."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            # Containers often run as a number without an entry in the system's list of users.
            name = f"uid {os.getuid()}"
        return cls(None, name, COMMAND)

    @classmethod
    def of_code(cls, name: str) -> Actor:
        """A program that operates by itself, under a name such as "recovery"."""
        return cls(None, name, PYTHON)


def record(
    actor: Actor,
    action: str,
    target: str,
    count: int = 1,
    before: Any = None,
    after: Any = None,
    reason: str = "",
) -> AuditEntry:
    """Write one entry, in the transaction of what it tells about.

    `before` and `after` are JSON. A target longer than its 200 characters is cut.
    """
    return AuditEntry.objects.using(conf.DATABASE).create(
        actor=actor.user,
        actor_name=actor.name[:150],
        surface=actor.surface,
        action=action,
        target=_cut(target, 200),
        count=count,
        before=before,
        after=after,
        reason=reason,
    )


@dataclass(slots=True)
class Operation:
    """The one entry of an operation that works in batches, each in its own transaction.

    The entry is written with the first batch that changes something, and every further batch adds
    to its count: whatever ends the operation half-way, the entry tells what was done. What changed
    nothing leaves no entry.
    """

    actor: Actor
    action: str
    target: str
    reason: str = ""
    count: int = 0
    sample: list[str] = field(default_factory=list)
    _entry: AuditEntry | None = None

    def add(self, ids: Sequence[UUID] | Sequence[str]) -> None:
        """Count these rows in. Call it inside the transaction that changes them."""
        if not ids:
            return
        self.count += len(ids)
        self.sample += [str(one) for one in ids[: SAMPLE - len(self.sample)]]
        AuditEntry.objects.using(conf.DATABASE).filter(pk=self.entry.pk).update(
            count=self.count, after={"ids": self.sample}
        )

    @property
    def entry(self) -> AuditEntry:
        """Its entry; written now, in the caller's transaction, if it is not there yet."""
        if self._entry is None:
            self._entry = record(self.actor, self.action, self.target, 0, reason=self.reason)
        return self._entry


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
