"""What a word in the search box finds: by index, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from jobs import registry
from jobs.failures import by_argument
from jobs.failures.scope import Scope
from jobs.models import FailedJob, FailureGroup, Job, Workflow

TAG = "tag:"


def jobs(rows: QuerySet[Job], text: str, definitions: Sequence[str]) -> QuerySet[Job]:
    """Jobs with this id; else of the definitions whose name holds the text; else with this tag.

    `definitions` is what `definitions_of_jobs` tells of the same text.
    """
    text = text.strip()
    if not text:
        return rows
    if text.startswith(TAG):
        return rows.filter(tags__name=text.removeprefix(TAG).strip())
    found = as_uuid(text)
    if found is not None:
        return rows.filter(pk=found)
    return rows.filter(definition__in=definitions) if definitions else rows.filter(tags__name=text)


def definitions_of_jobs(text: str) -> list[str]:
    """The definitions that `jobs` looks for with this text, if it looks for definitions."""
    text = text.strip()
    if not text or text.startswith(TAG) or as_uuid(text) is not None:
        return []
    if definitions := _definitions(text):
        return definitions
    of_old = Job.objects.filter(definition=text)
    return [text] if any(part.exists() for part in of_old.by_state()) else []


def failed_jobs(rows: QuerySet[FailedJob], text: str) -> QuerySet[FailedJob]:
    """Failed jobs with this id, or of a job with it; else that were given this argument, where the
    text is such as `customer=7`; else of the definitions whose name holds the text; else of this
    exception class."""
    text = text.strip()
    if not text:
        return rows
    found = as_uuid(text)
    if found is not None:
        return rows.filter(Q(pk=found) | Q(job_id=found))
    scope = scope_of_failed_jobs(text) or {}
    if "arguments" in scope:
        return rows.filter(by_argument.having(scope["arguments"]))
    if "definition" in scope:
        return rows.filter(definition__in=scope["definition"])
    return rows.filter(exception_class=text)


def scope_of_failed_jobs(text: str) -> Scope | None:
    """What the text in the search box of failed jobs is for, as the scope of a bulk operation;
    None if it is an id."""
    text = text.strip()
    if as_uuid(text) is not None:
        return None
    said = by_argument.parsed(text)
    if said is not None and said[1] is not None and by_argument.is_known(said[0]):
        return {"arguments": dict([said])}
    if definitions := _definitions(text):
        return {"definition": definitions}
    if FailedJob.everything.filter(definition=text).exists():
        return {"definition": [text]}
    return {"exception": text}


def failure_groups(rows: QuerySet[FailureGroup], text: str) -> QuerySet[FailureGroup]:
    """Groups whose fingerprint begins with the text, or with the text in what is told of their
    cause. There are few groups, however many failures: no index is needed."""
    text = text.strip()
    if not text:
        return rows
    found = Q(fingerprint__startswith=text.lower())
    for field in ("exception_class", "message", "site", "definition"):
        found |= Q(**{f"{field}__icontains": text})
    return rows.filter(found)


def workflows(rows: QuerySet[Workflow], text: str) -> QuerySet[Workflow]:
    """The workflow of this id; else those of this name, or else with this tag."""
    text = text.strip()
    if not text:
        return rows
    found = as_uuid(text)
    if found is not None:
        return rows.filter(pk=found)
    if not text.startswith(TAG) and Workflow.objects.outermost().filter(name=text).exists():
        return rows.filter(name=text)
    return rows.filter(tags__name=text.removeprefix(TAG).strip())


def as_uuid(text: str) -> UUID | None:
    """The id that a text is, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _definitions(text: str) -> list[str]:
    return [name for name in registry.names() if text.lower() in name.lower()]
