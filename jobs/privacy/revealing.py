"""Shows the sensitive arguments of a job to who may see them, and records that it did."""

from __future__ import annotations

from typing import Any

from jobs import audit
from jobs.audit import Actor
from jobs.exceptions import NothingSensitive
from jobs.models import FailedJob, Job
from jobs.privacy.masking import has_sensitive
from jobs.privacy.sealing import opened


def reveal(row: Job | FailedJob, actor: Actor, reason: str = "") -> dict[str, Any]:
    """The arguments of a job, or of a failed job, decrypted; models as their keys. Audited.

    Whoever calls this has seen that the actor may: in the admin that takes the permission
    `reveal_job`. Raises NothingSensitive, and Undecryptable if a key is missing; then nothing is
    audited, as nothing was shown.
    """
    job_id = row.job_id if isinstance(row, FailedJob) else row.pk
    if not has_sensitive(row.definition, row.arguments):
        raise NothingSensitive(job_id)
    plain: dict[str, Any] = opened(row.arguments)
    audit.record(
        actor,
        "reveal",
        f"{row._meta.verbose_name} {row}",
        after={"job": str(job_id), "definition": row.definition},
        reason=reason,
    )
    return plain
