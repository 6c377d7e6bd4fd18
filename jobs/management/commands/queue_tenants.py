"""Shows who shares a queue, or sets the share of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.management.command import OperatorCommand, nothing, positive, refusal
from jobs.management.output import table
from jobs.tenants import overview, shares


class Command(OperatorCommand):
    help = (
        "Show which tenants share the queues of JOBS_FAIR_QUEUES now, how much of each waits and "
        "how long. With TENANT, set its weight, or let it have that of everybody again."
    )
    exit_codes: ClassVar = {1: "the tenant has no weight to forget"}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("tenant", nargs="?", metavar="TENANT", help="as the jobs name it")
        parser.add_argument("--queue", default="", help="one queue; else all of them")
        parser.add_argument(
            "--weight", type=positive, metavar="N", help="so many of its jobs start in each round"
        )
        parser.add_argument("--forget", action="store_true", help="remove its weight")
        parser.add_argument("--notes", help="kept with the weight")

    def operate(self, **options: Any) -> None:
        acts = [options["weight"] is not None, options["forget"]]
        if options["tenant"] is None:
            if any(acts):
                raise refusal("Say the TENANT whose weight it is.")
            self._list(options)
        elif sum(acts) != 1:
            raise refusal("Say one of --weight or --forget.")
        else:
            self._act(options["tenant"], options)

    def _list(self, options: Mapping[str, Any]) -> None:
        found = overview.tenants(options["queue"])
        rows = [
            (
                one.queue,
                one.tenant,
                one.weight,
                _percent(one.share),
                one.ready,
                one.running,
                one.wait,
            )
            for one in found
        ]
        headings = (
            "queue",
            "tenant",
            "weight",
            "share now",
            "ready",
            "running",
            "next waits since",
        )
        told = table(headings, rows) if rows else _nobody()
        self.show(options, {"tenants": found}, told)

    def _act(self, tenant: str, options: Mapping[str, Any]) -> None:
        queue, actor, reason = options["queue"], Actor.of_command(), options["reason"]
        shares.check_queue(queue)
        of = f"the weight of {tenant} on {queue or 'all queues'}"
        if options["dry_run"]:
            self.show(options, {"would_change": tenant, "queue": queue}, f"Would change {of}.")
        elif options["forget"]:
            if not shares.forget(tenant, actor, queue=queue, reason=reason):
                raise nothing(f"Nobody has set {of}.")
            self.show(options, {"forgot": tenant, "queue": queue}, f"Forgot {of}.")
        else:
            row = shares.set_weight(
                tenant,
                options["weight"],
                actor,
                queue=queue,
                notes=options["notes"],
                reason=reason,
            )
            self.show(options, {"share": shares.facts_of(row)}, f"Set {of} to {row.weight}.")


def _percent(share: float | None) -> str | None:
    return f"{share:.0%}" if share is not None else None


def _nobody() -> str:
    if not conf.FAIR_QUEUES:
        return "No queue is shared: name some in JOBS_FAIR_QUEUES."
    return f"No tenant has jobs ready or running on {', '.join(sorted(conf.FAIR_QUEUES))}."
