"""Chains, batches and graphs as they are put together in Python. All are immutable."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar, Union

from jobs.exceptions import InvalidDefinition, InvalidWorkflow
from jobs.options import checked_tags
from jobs.workflows.signatures import Signature

if TYPE_CHECKING:
    from jobs.workflows.handles import WorkflowHandle

Member: TypeAlias = Union[Signature, "Group"]
LONGEST_NAME = 100
LONGEST_DELAY = dt.timedelta(days=3650)

Some = TypeVar("Some", bound="Group")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a chain, a batch and a graph have in common."""

    name: str = ""
    tags: tuple[str, ...] = ()
    then: Signature | None = None
    catch: Signature | None = None
    finally_: Signature | None = None

    def __post_init__(self) -> None:
        _check_name("name", self.name, may_be_empty=True)
        try:
            object.__setattr__(self, "tags", checked_tags(self.tags))
        except InvalidDefinition as error:
            raise InvalidWorkflow(str(error)) from None
        for name in ("then", "catch", "finally_"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Signature):
                raise InvalidWorkflow(
                    f"{name}: {value!r} must be the call of a job, such as notify.s()"
                )

    def on_failure(self: Some, call: Signature) -> Some:
        """The same with `catch`, which is enqueued at the first failure."""
        return replace(self, catch=call)

    def enqueue(self) -> WorkflowHandle:
        """Enqueue it in the caller's transaction, all or nothing.

        Every argument, of nested ones and callbacks too, is checked before. Raises
        InvalidArguments, InvalidOption, InvalidWorkflow and DuplicateJob.
        """
        from jobs.workflows.building import enqueue

        return enqueue(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain(Group):
    """Links that run one after the other, each once the one before it has succeeded."""

    links: tuple[Member, ...]
    pass_results: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Group):
    """Members that run in any order, and at once."""

    members: tuple[Member, ...]
    allow_failures: bool = False


@dataclass(frozen=True, slots=True)
class AwaitedSignal:
    """What a step is that only waits for a signal."""


Work: TypeAlias = Union["Member", dt.timedelta, AwaitedSignal, None]
"""What a step of a graph is: a call, a group, a wait for a time or for a signal, or else a person's
approval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A named step of a graph."""

    name: str
    what: Work
    after: tuple[str, ...]
    pass_results: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph(Group):
    """Named steps, each of which starts once all that it comes after have succeeded."""

    parts: tuple[Part, ...] = ()

    def step(
        self, name: str, what: Member, *, after: Iterable[str] = (), pass_results: bool = False
    ) -> Graph:
        """The same with one more step, a call or a group. With `pass_results` what the steps before
        it returned comes before its arguments, in the order of `after`. Raises InvalidWorkflow."""
        _check_member(f"step {name!r}", what)
        if pass_results and not isinstance(what, Signature):
            raise InvalidWorkflow(f"step {name!r}: pass_results: only a job can take results")
        return self._with(name, what, after, pass_results)

    def approval(self, name: str, *, after: Iterable[str] = ()) -> Graph:
        """The same with a step that a person approves or rejects. Raises InvalidWorkflow."""
        return self._with(name, None, after)

    def signal(self, name: str, *, after: Iterable[str] = ()) -> Graph:
        """The same with a step that waits until `handle.signal(name, payload)` says that something
        has happened. The payload is its result. A signal that comes early is kept for it. Raises
        InvalidWorkflow."""
        return self._with(name, AwaitedSignal(), after)

    def timer(self, name: str, delay: dt.timedelta, *, after: Iterable[str] = ()) -> Graph:
        """The same with a step that only waits for so long. Raises InvalidWorkflow."""
        if not isinstance(delay, dt.timedelta) or not dt.timedelta(0) < delay <= LONGEST_DELAY:
            raise InvalidWorkflow(
                f"timer {name!r}: delay: {delay!r} must be a timedelta above 0 and of at most "
                f"{LONGEST_DELAY.days} days"
            )
        return self._with(name, delay, after)

    def _with(
        self,
        name: str,
        what: Work,
        after: Iterable[str],
        pass_results: bool = False,
    ) -> Graph:
        _check_name("step", name)
        names = [after] if isinstance(after, str) else list(after)
        if isinstance(after, str) or not all(isinstance(one, str) for one in names):
            raise InvalidWorkflow(f"step {name!r}: after: {after!r} must be a list of names")
        if any(part.name == name for part in self.parts):
            raise InvalidWorkflow(f"step {name!r}: there is a step of this name already")
        part = Part(
            name=name, what=what, after=tuple(dict.fromkeys(names)), pass_results=pass_results
        )
        return replace(self, parts=(*self.parts, part))


def chain(
    *links: Member,
    pass_results: bool = False,
    name: str = "",
    tags: Sequence[str] = (),
    then: Signature | None = None,
    catch: Signature | None = None,
    finally_: Signature | None = None,
) -> Chain:
    """Links that run one after the other; the first failure cancels the rest.

    With `pass_results` what a link returned becomes the first argument of the next one. Raises
    InvalidWorkflow.
    """
    if not links:
        raise InvalidWorkflow("chain: must have at least one link")
    for number, link in enumerate(links, 1):
        _check_member(f"link {number}", link)
    return Chain(
        links=links,
        pass_results=pass_results,
        name=name,
        tags=tuple(tags),
        then=then,
        catch=catch,
        finally_=finally_,
    )


def batch(
    members: Iterable[Member],
    *,
    name: str = "",
    then: Signature | None = None,
    catch: Signature | None = None,
    finally_: Signature | None = None,
    allow_failures: bool = False,
    tags: Sequence[str] = (),
) -> Batch:
    """Members that run in any order; the first failure cancels those that wait, and asks those
    that run to stop, unless `allow_failures`. Raises InvalidWorkflow."""
    return Batch(
        members=checked_members(members),
        allow_failures=allow_failures,
        name=name,
        tags=tuple(tags),
        then=then,
        catch=catch,
        finally_=finally_,
    )


def workflow(
    name: str = "",
    *,
    tags: Sequence[str] = (),
    then: Signature | None = None,
    catch: Signature | None = None,
    finally_: Signature | None = None,
) -> Graph:
    """A graph without steps yet: add them by `.step`, `.approval`, `.signal` and `.timer`. A step
    that fails cancels those that come after it; the others go on. Raises InvalidWorkflow."""
    return Graph(name=name, tags=tuple(tags), then=then, catch=catch, finally_=finally_)


def has_result(what: Work) -> bool:
    """Whether a step of this has something to pass on."""
    return isinstance(what, Signature | Group | AwaitedSignal)


def checked_members(members: Iterable[Member]) -> tuple[Member, ...]:
    """Raises InvalidWorkflow."""
    found = tuple(members)
    for number, member in enumerate(found, 1):
        _check_member(f"member {number}", member)
    return found


def _check_member(label: str, value: object) -> None:
    if not isinstance(value, Signature | Group):
        raise InvalidWorkflow(
            f"{label}: {value!r} must be the call of a job, such as add.s(1), or a chain, batch or "
            "workflow"
        )


def _check_name(label: str, value: object, *, may_be_empty: bool = False) -> None:
    if not isinstance(value, str) or len(value) > LONGEST_NAME or "\x00" in value:
        raise InvalidWorkflow(f"{label}: {value!r} must be text of at most {LONGEST_NAME} letters")
    if not value and not may_be_empty:
        raise InvalidWorkflow(f"{label}: must have a name")
