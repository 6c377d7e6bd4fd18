"""Whether the steps of a graph can be put in an order at all."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.exceptions import InvalidWorkflow
from jobs.workflows.groups import Graph, Part


def check_order(group: Graph) -> None:
    """Raises InvalidWorkflow for a graph without steps, for a step that is not there, and for
    steps that wait for each other."""
    label = f"workflow {group.name!r}" if group.name else "workflow"
    if not group.parts:
        raise InvalidWorkflow(f"{label}: must have at least one step")
    names = {part.name for part in group.parts}
    for part in group.parts:
        for name in part.after:
            if name not in names:
                raise InvalidWorkflow(f"{label}: step {part.name!r}: after: no step {name!r}")
    left: Sequence[Part] = group.parts
    known: set[str] = set()
    while left:
        still = [part for part in left if not known.issuperset(part.after)]
        if len(still) == len(left):
            circle = ", ".join(repr(part.name) for part in still)
            raise InvalidWorkflow(f"{label}: after: the steps {circle} wait for each other")
        known |= {part.name for part in left} - {part.name for part in still}
        left = still
