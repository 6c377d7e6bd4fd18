"""Fleet: the worker processes of a cluster, as its sentinel sees them."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from jobs.cluster import journals, memory
from jobs.cluster.identity import Identity
from jobs.cluster.process import ending, kill_group, kill_leftovers, spawn
from jobs.cluster.recovery import is_stuck
from jobs.cluster.slot import Running, Slot
from jobs.cluster.starting import RestartPace
from jobs.cluster.wake import HasFileno
from jobs.conf import Pool
from jobs.exceptions import JobsConfigurationError


@dataclass(slots=True)
class Member:
    """One worker process."""

    process: BaseProcess
    pid: int
    pool: Pool
    slot: Slot
    journal: Path
    killed_for: str = ""
    """Why the sentinel has killed it."""
    killed_at: Running | None = None
    """The attempt whose time was up."""
    stuck_in: Running | None = None
    """The attempt for which relief was asked."""
    asked_at: float = 0.0
    """When that was, on the monotonic clock."""

    @property
    def is_busy(self) -> bool:
        return self.slot.running() is not None

    def kill(self, reason: str) -> None:
        """Kill the worker and what its job has started."""
        if not self.killed_for:
            self.killed_for = reason
            kill_group(self.pid)


@dataclass(frozen=True, slots=True)
class Loss:
    """A worker that has ended."""

    member: Member
    detail: str
    timed_out: bool
    interrupted: bool
    was_expected: bool


TIMED_OUT = "timed out"
OUT_OF_MEMORY = "out of memory"
OUT_OF_GRACE = "shutdown"
DID_NOT_LEAVE = "did not leave"
ASK_AGAIN = 1.0
"""Seconds after which relief that has not come is asked for again."""


class Fleet:
    """Keeps as many workers alive as the pools want, and kills those whose time is up.

    `main(pool, slot)` runs in the child, `not_ours()` says what it must close there.
    """

    def __init__(
        self,
        identity: Identity,
        main: Callable[[Identity, Pool, Slot, Path, int, list[HasFileno]], object],
        not_ours: Callable[[], list[HasFileno]],
    ) -> None:
        self.members: list[Member] = []
        self._identity = identity
        self._main = main
        self._not_ours = not_ours
        self._paces = {pool.name: RestartPace() for pool in identity.pools}
        self._memory_looked = 0.0

    def fill(self) -> list[str]:
        """Start the workers that are missing, unless those before them died while starting; return
        what kept others from being started."""
        troubles = []
        there = Counter(member.pool.name for member in self.members)
        for pool in self._identity.pools:
            pace = self._paces[pool.name]
            while there[pool.name] < pool.processes and pace.may_start():
                troubles += self._start(pool)
                there[pool.name] += 1
        return troubles

    def _start(self, pool: Pool) -> list[str]:
        try:
            journal = journals.create(self._identity.id)
            slot = journals.slot_of(journal)
            process = spawn(
                self._main,
                self._identity,
                pool,
                slot,
                journal,
                os.getpid(),
                self._not_ours(),
                name=f"{self._identity.name} worker",
            )
        except (OSError, JobsConfigurationError) as error:
            # No memory, no room for a file, or no process id, to be had now.
            self._paces[pool.name].failed()
            return [f"no worker of pool {pool.name} can be started: {error}"]
        assert process.pid is not None
        self.members.append(Member(process, process.pid, pool, slot, journal))
        return []

    def reap(self) -> list[Loss]:
        """Take out the workers that have ended."""
        lost = []
        for member in list(self.members):
            # Asks the system. A pipe would not do: a program that the job has left behind holds it.
            code = member.process.exitcode
            if code is None:
                continue
            self.members.remove(member)
            member.process.close()
            loss = self._loss(member, code)
            if not loss.was_expected:
                kill_leftovers(member.pid)
            lost.append(loss)
        return lost

    def _loss(self, member: Member, code: int) -> Loss:
        running = member.slot.running()
        timed_out = member.killed_for == TIMED_OUT and running == member.killed_at
        # It had just gone on to the next job, which is not to blame.
        overtaken = member.killed_for == TIMED_OUT and not timed_out
        left = code == 0 and running is None
        if member.slot.is_ready:
            self._paces[member.pool.name].succeeded()
        else:
            self._paces[member.pool.name].failed()
        return Loss(
            member,
            detail=ending(code) if overtaken or not member.killed_for else member.killed_for,
            timed_out=timed_out,
            interrupted=overtaken or member.killed_for == OUT_OF_GRACE,
            was_expected=left or member.killed_for in (OUT_OF_GRACE, DID_NOT_LEAVE),
        )

    def enforce(self) -> list[Member]:
        """Kill the workers that are past a hard limit; return those."""
        now = time.monotonic()
        look_at_memory = now - self._memory_looked > memory.LOOK_EVERY
        if look_at_memory:
            self._memory_looked = now
        killed = []
        for member in self.members:
            if member.killed_for:
                continue
            if reason := self._limit_passed(member, now, look_at_memory):
                member.kill(reason)
                killed.append(member)
        return killed

    def stuck(self) -> list[Member]:
        """The workers that hold jobs which wait too long for the end of another; each is told of
        once for one attempt, and again if nothing comes of it."""
        found = []
        now = time.monotonic()
        for member in self.members:
            running = member.slot.running() if member.slot.waiting else None
            if not is_stuck(member.slot, running):
                continue
            if running != member.stuck_in or now - member.asked_at > ASK_AGAIN:
                member.stuck_in, member.asked_at = running, now
                found.append(member)
        return found

    @property
    def holds(self) -> bool:
        """Whether some worker has claimed more than the job that it runs."""
        return any(member.slot.waiting for member in self.members)

    def next_limit(self) -> float:
        """When the next of the deadlines passes that are known now, on the monotonic clock."""
        watched = [member.slot for member in self.members if not member.killed_for]
        attempts = [running for slot in watched if (running := slot.running())]
        limits = [
            *(running.deadline for running in attempts),
            *(slot.leaves_by for slot in watched),
        ]
        return min((limit for limit in limits if limit is not None), default=math.inf)

    @property
    def is_short(self) -> bool:
        """Whether workers are missing, as after deaths while starting."""
        return len(self.members) < self._identity.processes

    def _limit_passed(self, member: Member, now: float, look_at_memory: bool) -> str:
        running = member.slot.running()
        if running is not None and running.deadline is not None and now > running.deadline:
            member.killed_at = running
            return TIMED_OUT
        leaves_by = member.slot.leaves_by
        if leaves_by is not None and now > leaves_by:
            return DID_NOT_LEAVE
        if look_at_memory and memory.is_beyond_hope(member.pid, member.pool):
            return OUT_OF_MEMORY
        return ""

    def ask_to_leave(self) -> None:
        """Let every worker finish its job and leave."""
        for member in self.members:
            if member.process.is_alive():
                member.process.terminate()

    def kill_all(self, reason: str) -> None:
        for member in self.members:
            member.kill(reason)

    def pids(self) -> list[int]:
        return [member.pid for member in self.members]

    def busy(self) -> int:
        return sum(member.is_busy for member in self.members)
