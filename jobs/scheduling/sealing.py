"""Sensitive arguments of schedules: encrypted whenever one is saved, in the admin or in Python.

`QuerySet.update()`, `bulk_update()` and `bulk_create()` send no signal. What they store plainly is
masked all the same, encrypted in every job of the schedule, and by `queue_rotate_keys` in its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models.signals import pre_save

from jobs import registry
from jobs.models import JobSchedule
from jobs.privacy.sealing import sealed


def seal_before_save(
    sender: type[JobSchedule],
    instance: JobSchedule,
    raw: bool,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """Encrypt what is sensitive among the arguments and is not encrypted yet.

    Raises EncryptionUnavailable, so that nothing is saved plainly.
    """
    if update_fields is not None and "arguments" not in update_fields:
        return
    definition = registry.find(instance.definition)
    if definition is not None and definition.sensitive and isinstance(instance.arguments, Mapping):
        instance.arguments = sealed(definition, instance.arguments)


def connect() -> None:
    """Have the arguments of every saved schedule encrypted."""
    pre_save.connect(seal_before_save, sender=JobSchedule, dispatch_uid="jobs.sealing")
