"""Whether the steps of a graph can be put in an order at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from jobs.exceptions import InvalidWorkflow
from jobs.workflows.groups import Graph


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
    check_circles(label, {part.name: set(part.after) for part in group.parts})


def check_circles(label: str, after: Mapping[str, Collection[str]]) -> None:
    """Raises InvalidWorkflow for steps that wait for each other; `after` tells by the name of each
    which ones it waits for."""
    left = list(after)
    known: set[str] = set()
    while left:
        still = [name for name in left if not known.issuperset(after[name])]
        if len(still) == len(left):
            circle = ", ".join(map(repr, still))
            raise InvalidWorkflow(f"{label}: after: the steps {circle} wait for each other")
        known |= set(left) - set(still)
        left = still
