"""Admission: the gates of a claimed job, before its attempt starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import InterfaceError, OperationalError

from jobs import arguments, registry
from jobs.exceptions import InvalidDefinition, UnknownLimit
from jobs.execution.middleware.contract import gates_of
from jobs.limits.known import row_of
from jobs.privacy.coverage import coverage_of
from jobs.privacy.scrubbing import Scrubber

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition
    from jobs.ledger import Ledger
    from jobs.ledger.outcome import ClaimedJob
    from jobs.limits.declared import DeclaredLimit
    from jobs.limits.kinds import Want

_rows: dict[str, DeclaredLimit | None] = {}
"""The limits whose row this process has seen to, with what the code said."""


def wants(definition: JobDefinition, job: ClaimedJob) -> list[Want]:
    """What the gates of a job ask for, with the rows of their limits seen to.

    Raises what a callable of a gate raises, MissingObject for a model instance that is gone, and
    InvalidDefinition for a key that is none or a limit that nothing says the amount of.
    """
    args, kwargs = arguments.decode(job.arguments)
    found = []
    for gate in gates_of(definition):
        want = gate.want(definition, args, kwargs)
        if want is not None:
            _refuse_secrets(definition, want, args, kwargs)
            _see_to_row(want.limit, gate.declared_for(definition))
            found.append(want)
    return found


def _refuse_secrets(
    definition: JobDefinition, want: Want, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Keys are stored and shown as they are."""
    if definition.sensitive:
        scrub = Scrubber(*coverage_of(definition).values(args, kwargs))
        if scrub.holds(want.key):
            raise InvalidDefinition(
                f"limit {want.limit!r}: its key has the value of a sensitive argument in it"
            )


class Answer(NamedTuple):
    """Whether a job may start, and if its attempt is to fail at once, with what."""

    admitted: bool
    refusal: Exception | None = None


def ask(book: Ledger, job: ClaimedJob) -> Answer:
    """Ask the gates of a claimed job, which is blocked and not this claim's any more where one of
    them has no room. What a gate raises is the job's own failure.

    Raises the database's error if its connection is lost.
    """
    definition = registry.find(job.definition)
    if definition is None or not gates_of(definition):
        return Answer(True)
    try:
        try:
            return Answer(book.admit(job, wants(definition, job)))
        except UnknownLimit:
            # Somebody has removed the row since this process has seen to it.
            _rows.clear()
            return Answer(book.admit(job, wants(definition, job)))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        return Answer(True, error)


def _see_to_row(name: str, declared: DeclaredLimit | None) -> None:
    if name not in _rows or _rows[name] != declared:
        row_of(name, declared)
        _rows[name] = declared
