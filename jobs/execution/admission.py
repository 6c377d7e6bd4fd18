"""Admission: the gates of a claimed job, before its attempt starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs import arguments
from jobs.execution.middleware.contract import gates_of
from jobs.limits.known import row_of

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition
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
            _see_to_row(want.limit, gate.declared_for(definition))
            found.append(want)
    return found


def _see_to_row(name: str, declared: DeclaredLimit | None) -> None:
    if name not in _rows or _rows[name] != declared:
        row_of(name, declared)
        _rows[name] = declared
