"""What workflows should do, in plain Python: a tree whose every node looks at its own children."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

FINAL = ("succeeded", "failed", "cancelled")
LOST = ("failed", "cancelled")


@dataclass(eq=False)
class Node:
    """A job, an approval or a group."""

    name: str
    kind: str
    allows: bool = False
    children: list[Node] = field(default_factory=list)
    needs: list[Node] = field(default_factory=list)
    parent: Node | None = None
    state: str = "waiting"
    step: str = "waiting"
    """What the group around it has seen of it."""
    asked: bool = False
    stopped: bool = False
    called: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child

    @property
    def is_group(self) -> bool:
        return self.kind in ("chain", "batch", "workflow")

    @property
    def root(self) -> Node:
        return self.parent.root if self.parent else self

    def counts(self) -> dict[str, int]:
        found = Counter(child.step for child in self.children)
        return {state: found[state] for state in FINAL}

    def start(self) -> None:
        if self.state != "waiting":
            return
        self.step = "active"
        self.state = {"job": "ready", "approval": "active"}.get(self.kind, "running")

    def call(self, which: str) -> None:
        if not self.called[which]:
            self.called[which] += 1

    def end(self, state: str) -> None:
        """A job or an approval has ended."""
        self.state = self.step = state
        self._tell_parent()

    def _tell_parent(self) -> None:
        group = self.parent
        if group is None or self.step != "failed":
            return
        group.call("catch")
        if group.kind == "batch" and not group.allows:
            for child in group.children:
                child.stop()

    def stop(self) -> None:
        if self.kind == "job":
            if self.state in ("waiting", "ready"):
                self.end("cancelled")
            elif self.state == "running":
                self.asked = True
        elif self.kind == "approval":
            if self.state not in FINAL:
                self.end("cancelled")
        else:
            if self.state not in FINAL:
                self.stopped = True
            for child in self.children:
                child.stop()

    def settle(self) -> None:
        """Until nothing changes any more."""
        changed = True
        while changed:
            changed = False
            for group in self:
                changed |= group.is_group and group._look()

    def _look(self) -> bool:
        changed = False
        for child in self.children:
            if child.step != "waiting":
                continue
            if any(need.step in LOST for need in child.needs):
                before = child.snapshot()
                child.stop()
                changed |= child.snapshot() != before
            elif self.state == "running" and all(n.step == "succeeded" for n in child.needs):
                child.start()
                changed = True
        counts = self.counts()
        is_full = sum(counts.values()) == len(self.children)
        begun = self.state == "running" or self.children or self.stopped
        if self.state in FINAL or not is_full or not begun:
            return changed
        ran = self.state == "running"
        self.state = self._outcome(counts)
        if ran:
            self.call("finally")
        if self.state == "succeeded":
            self.call("then")
        if self.step not in FINAL:
            self.step = self.state
            self._tell_parent()
        return True

    def _outcome(self, counts: dict[str, int]) -> str:
        if self.children and counts["succeeded"] == len(self.children):
            return "succeeded"
        if self.stopped:
            return "cancelled"
        if self.allows or not self.children:
            return "succeeded"
        return "failed" if counts["failed"] else "cancelled"

    def snapshot(self) -> list[tuple[str, str, bool, bool]]:
        return [(node.state, node.step, node.asked, node.stopped) for node in self]

    def retry(self) -> None:
        """This job has failed and was retried; it is not in a tree that somebody cancelled."""
        assert self.parent is not None
        self.state, self.step, self.asked = "ready", "active", False
        active: list[tuple[Node, Node]] = [(self.parent, self)]
        group: Node | None = self.parent
        while group is not None and group.state in FINAL:
            group.state, group.stopped = "running", False
            if group.step in LOST:
                group.step = "active"
                if group.parent is not None:
                    active.append((group.parent, group))
                group = group.parent
            else:
                group = None
        for around, child in active:
            around.renew(after=child, starts=True)

    def renew(self, *, after: Node | None, starts: bool) -> None:
        if self.kind == "batch":
            if after is not None and self.allows:
                return
            for child in self.children:
                if child.step == "cancelled":
                    child.step = "active" if starts else "waiting"
                    child.again(starts=starts)
            return
        reached = {after}
        anew = []
        found = True
        while found:
            found = False
            for child in self.children:
                if (
                    child.step == "cancelled"
                    and (after is None or reached & set(child.needs))
                    and not any(need.step in LOST for need in child.needs)
                ):
                    child.step, found = "waiting", True
                    reached.add(child)
                    anew.append(child)
        for child in anew:
            child.again(starts=False)

    def again(self, *, starts: bool) -> None:
        self.asked = self.stopped = False
        if not self.is_group:
            self.state = "ready" if starts else "waiting"
            return
        self.state = "running" if starts else "waiting"
        self.renew(after=None, starts=starts)
