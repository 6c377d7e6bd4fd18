"""InSequence: jobs of one key run one after the other, in the order in which they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs.execution.middleware.contract import InLine
from jobs.execution.middleware.unique import Unique, UniqueBy

if TYPE_CHECKING:
    from jobs.definitions import JobDefinition
    from jobs.uniqueness.calls import Uniqueness


class InSequence(InLine):
    """Lets each job begin only when the one that was enqueued before it, with the same key, has
    ended for good: succeeded, failed or cancelled. While that is tried again the others wait.

    `by` makes the key: names of parameters, or a callable of the arguments; without it all calls
    are in one line. With `shared="name"` several definitions stand in one line. Who enqueues for a
    key waits for others who have enqueued for it and not committed yet: that is the order.
    """

    def __init__(self, by: UniqueBy = (), *, shared: str | None = None) -> None:
        """Raises InvalidDefinition, naming the field, the value and the rule."""
        self._key = Unique(by, shared=shared)
        self._is_one_line = by is not None and not callable(by) and not by

    def check(self, definition: JobDefinition) -> None:
        """Raises InvalidDefinition for a name that is no parameter of the function."""
        self._key.check(definition)

    def of_call(
        self, definition: JobDefinition, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Uniqueness:
        """The line of this call. Raises what a callable raises."""
        from jobs.uniqueness.calls import Uniqueness

        if self._is_one_line:
            return Uniqueness(label=f"{self._key.shared or definition.path}: all")
        return self._key.of_call(definition, args, kwargs)
