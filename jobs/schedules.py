"""Schedules declared in code, in the `schedules.py` of any app:

    from jobs.schedules import Cron, Every, declare
    from shop.jobs import close_day, sync_stock

    declare("shop: close the day", definition=close_day, rule=Cron("5 0 * * *"))
    declare("shop: stock", definition=sync_stock, rule=Every(minutes=15), arguments={"full": False})

A declared schedule is created once, by `schedule_sync` or when a cluster starts, and then belongs
to the admin: a change in the code changes nothing until `schedule_sync --apply` is told to.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.scheduling.declarations import Declaration, register
from jobs.scheduling.times import Cron, Every, Once, Times

__all__ = ["Cron", "Every", "Once", "declare"]


def declare(
    name: str,
    *,
    definition: Any,
    rule: Times,
    arguments: Mapping[str, Any] | Sequence[Any] | None = None,
    queue: str | None = None,
    priority: int | None = None,
    no_overlap: bool = False,
    missed: str = "once",
    missed_limit: int = 100,
    grace: dt.timedelta = dt.timedelta(minutes=1),
    jitter: dt.timedelta = dt.timedelta(0),
    dst_gap: str = "next_valid",
    dst_overlap: str = "once",
    enabled: bool = True,
    notes: str = "",
) -> Declaration:
    """Declare a schedule under a name that no other declaration of the site has.

    `definition` is a job definition or its dotted path; `arguments` are keyword arguments, or a
    list of positional ones; `queue` and `priority` are those of the definition unless given. The
    rest is what `JobSchedule` has, with the same defaults.

    Raises InvalidOption, naming the schedule, the field, the value and the rule. Whether the
    arguments fit the definition is checked when the schedule is created, once all code is loaded.
    """
    declaration = Declaration(
        name=name,
        definition=definition,
        rule=rule,
        arguments=arguments,
        queue=queue,
        priority=priority,
        no_overlap=no_overlap,
        missed=missed,
        missed_limit=missed_limit,
        grace=grace,
        jitter=jitter,
        dst_gap=dst_gap,
        dst_overlap=dst_overlap,
        enabled=enabled,
        notes=notes,
        module=sys._getframe(1).f_globals.get("__name__", ""),
    )
    register(declaration)
    return declaration
