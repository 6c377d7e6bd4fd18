"""PushedWorkflow: a chain, batch or workflow that was enqueued while a test faked jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from jobs.testing.naming import name_of
from jobs.testing.pushed import PushedJob, comparable
from jobs.workflows.building import Plan
from jobs.workflows.groups import AwaitedSignal, Batch, Chain, Graph, Group, Part
from jobs.workflows.signatures import Signature

CALLBACKS = ("then", "catch", "finally_")


@dataclass(frozen=True, slots=True)
class PushedWorkflow:
    """What was put together in Python, checked as always, but not in the ledger."""

    id: UUID
    group: Group
    jobs: list[PushedJob]
    """Of all its members, however deep; its callbacks have none before they are called."""


def check(group: Group) -> None:
    """Raise what enqueueing it would, so that no assertion fails because of a slip of the pen."""
    Plan(timezone.now()).root(group)


def differences(wanted: Any, given: Any, where: str = "") -> Iterator[str]:
    """In what one member of a workflow, or one whole workflow, is not as it is wanted."""
    if _kind(wanted) != _kind(given):
        yield f"{where}is {_headline(given)}, not {_headline(wanted)}"
    elif isinstance(wanted, Signature):
        yield from _of_calls(wanted, given, where)
    elif isinstance(wanted, Group):
        yield from _of_groups(wanted, given, where)
    elif wanted != given:
        # Waits, of a timer.
        yield f"{where}is {_headline(given)}, not {_headline(wanted)}"


def told(member: Any, label: str = "", depth: int = 1) -> list[str]:
    """It in lines, each member below its group and further in."""
    lines = [f"{'  ' * depth}{label}{_headline(member)}"]
    member = member.what if isinstance(member, Part) else member
    if isinstance(member, Group):
        for name, inner in _members(member):
            lines += told(inner, f"{name}: ", depth + 1)
        for name in CALLBACKS:
            if (call := getattr(member, name)) is not None:
                lines += told(call, f"{name}: ", depth + 1)
    return lines


def listed(wanted: Group, pushed: Sequence[PushedWorkflow]) -> list[str]:
    """What is wanted and what was pushed in its place, in lines, each with its differences."""
    lines = told(wanted)
    lines.append("Pushed:" if pushed else "No chain, batch or workflow was pushed.")
    for one in pushed:
        why_not = differences(wanted, one.group)
        lines += told(one.group) + [f"    but {difference}" for difference in why_not]
    return lines


def _of_calls(wanted: Signature, given: Signature, where: str) -> Iterator[str]:
    if name_of(wanted.definition) != name_of(given.definition) or _values(wanted) != _values(given):
        yield f"{where}is {_headline(given)}, not {_headline(wanted)}"


def _of_groups(wanted: Group, given: Group, where: str) -> Iterator[str]:
    if wanted.name and wanted.name != given.name:
        yield f"{where}name is {given.name!r}, not {wanted.name!r}"
    for tag in wanted.tags:
        if tag not in given.tags:
            yield f"{where}there is no tag {tag!r}"
    for name in ("pass_results", "allow_failures"):
        expected, is_ = getattr(wanted, name, None), getattr(given, name, None)
        if expected != is_:
            yield f"{where}{name} is {is_}, not {expected}"
    for name in CALLBACKS:
        call = getattr(wanted, name)
        if call is not None:
            yield from differences(call, getattr(given, name), f"{where}{name}: ")
    if isinstance(wanted, Batch) and isinstance(given, Batch):
        yield from _of_members(wanted.members, given.members, where)
    else:
        yield from _of_named(dict(_members(wanted)), dict(_members(given)), where)


def _of_members(wanted: Sequence[Any], given: Sequence[Any], where: str) -> Iterator[str]:
    left = list(given)
    for member in wanted:
        # Mostly the first that is left, as members are mostly added in the order expected.
        alike = (at for at, one in enumerate(left) if not any(differences(member, one)))
        at = next(alike, None)
        if at is None:
            yield f"{where}there is no member {_headline(member)}"
        else:
            del left[at]
    for member in left:
        yield f"{where}there is also {_headline(member)}"


def _of_named(wanted: dict[str, Any], given: dict[str, Any], where: str) -> Iterator[str]:
    for name, member in wanted.items():
        if name not in given:
            yield f"{where}there is no {name}"
        elif isinstance(member, Part):
            yield from _of_parts(member, given[name], f"{where}{name}: ")
        else:
            yield from differences(member, given[name], f"{where}{name}: ")
    for name in given:
        if name not in wanted:
            yield f"{where}there is also {name}"


def _of_parts(wanted: Part, given: Part, where: str) -> Iterator[str]:
    if wanted.what is None or given.what is None:
        # A person's approval.
        if wanted.what is not given.what:
            yield f"{where}is {_headline(given)}, not {_headline(wanted)}"
    else:
        yield from differences(wanted.what, given.what, where)
    if set(wanted.after) != set(given.after):
        yield f"{where}comes after {list(given.after)}, not {list(wanted.after)}"
    if wanted.pass_results != given.pass_results:
        yield f"{where}pass_results is {given.pass_results}, not {wanted.pass_results}"


def _members(group: Group) -> list[tuple[str, Any]]:
    if isinstance(group, Graph):
        return [(f"step {part.name!r}", part) for part in group.parts]
    if isinstance(group, Chain):
        return [(f"link {number}", link) for number, link in enumerate(group.links, 1)]
    assert isinstance(group, Batch)
    return [(f"member {number}", member) for number, member in enumerate(group.members, 1)]


def _kind(member: Any) -> str:
    if member is None:
        return "nothing"
    return "graph" if isinstance(member, Graph) else type(member).__name__.lower()


def _headline(member: Any) -> str:
    if isinstance(member, Part):
        after = f" after {', '.join(member.after)}" if member.after else ""
        return ("an approval" if member.what is None else _headline(member.what)) + after
    if isinstance(member, AwaitedSignal):
        return "a signal"
    if isinstance(member, Signature):
        values = ", ".join(f"{name}={value!r}" for name, value in _values(member).items())
        return f"{name_of(member.definition)}({values})"
    if isinstance(member, Group):
        kind = "workflow" if isinstance(member, Graph) else _kind(member)
        return f"a {kind} {member.name!r}" if member.name else f"a {kind}"
    return "not there" if member is None else f"a wait of {member}"


def _values(call: Signature) -> dict[str, Any]:
    return comparable(
        name_of(call.definition), {"args": list(call.args), "kwargs": dict(call.kwargs)}
    )
