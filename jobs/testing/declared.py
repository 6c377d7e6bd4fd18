"""Schedules in tests: whether what the code declares is valid, and running what is due."""

from __future__ import annotations

from jobs.scheduling import declared, tick
from jobs.scheduling.tick import SlotReport


def assert_schedules_valid() -> None:
    """Every schedule that the code declares can be created: its rule has a next run, its definition
    exists and takes its arguments, and a pool serves its queue. Needs no database.

    What `jobs.schedules.declare` refuses by itself has been raised before, when the module was
    imported.
    """
    faults = declared.faults()
    if faults:
        told = "".join(f"\n  {name}: {fault}" for name, fault in sorted(faults.items()))
        raise AssertionError(f"{len(faults)} declared schedules are not valid:{told}")


def run_schedules() -> SlotReport:
    """Do once what the leading cluster does all the time: create the declared schedules that are
    missing, and enqueue the jobs of all times that are due. Return what was enqueued.

    With `frozen_clock()` around it, by that clock.
    """
    declared.create_missing()
    return tick.run_once()
