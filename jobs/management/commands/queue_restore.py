"""Restores failed jobs that were forgotten a short while ago."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.core.management.base import CommandParser
from django.db.models import Q

from jobs.audit import Actor
from jobs.conf import settings as conf
from jobs.failures.flushing import restore
from jobs.management.command import OperatorCommand, nothing, refusal, uuid
from jobs.management.moments import past
from jobs.management.output import counted, duration, moment
from jobs.models import FailedJob
from jobs.models.failure import FailedJobQuerySet


class Command(OperatorCommand):
    help = (
        "Restore failed jobs that were forgotten or flushed: by ID, of the failed job or of its "
        "job; all there are; or those that were forgotten since WHEN. They can be restored for "
        "JOBS_UNDO_WINDOW, one hour unless the site says otherwise."
    )
    exit_codes: ClassVar = {1: "nothing was restored"}
    acts: ClassVar = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("ids", nargs="*", type=uuid, metavar="ID")
        parser.add_argument("--all", action="store_true", help="all that were forgotten")
        parser.add_argument(
            "--since",
            type=past,
            metavar="WHEN",
            help="that were forgotten since this: 2026-03-01T14:30, 2026-03-01, or 20m",
        )

    def operate(self, **options: Any) -> None:
        rows, words = _chosen(options)
        if options["dry_run"]:
            count = rows.count()
            told = f"Would restore {counted(count, 'failed job')}: {words}."
            self.show(options, {"would_restore": count, "scope": words}, told)
            restored = count
        else:
            restored = restore(rows, Actor.of_command(), options["reason"], scope=words)
            told = f"Restored {counted(restored, 'failed job')}."
            self.show(options, {"restored": restored}, told)
        if not restored:
            raise nothing(f"Nothing to restore: {words}.")


def _chosen(options: Mapping[str, Any]) -> tuple[FailedJobQuerySet, str]:
    if sum((bool(options["ids"]), options["all"], bool(options["since"]))) != 1:
        raise refusal("Say which: one or more ids, or --all, or --since.")
    rows: FailedJobQuerySet = FailedJob.everything.using(conf.DATABASE).forgotten()
    if options["since"]:
        since = options["since"]
        return (
            rows.filter(forgotten_at__gte=since),
            f"failed jobs that were forgotten since {moment(since)}",
        )
    if options["all"]:
        return rows, "all forgotten failed jobs"
    return _of_ids(rows, options["ids"])


def _of_ids(rows: FailedJobQuerySet, ids: list[UUID]) -> tuple[FailedJobQuerySet, str]:
    found = rows.filter(Q(pk__in=ids) | Q(job_id__in=ids))
    known = {one for pair in found.values_list("pk", "job_id") for one in pair}
    if unknown := [str(one) for one in dict.fromkeys(ids) if one not in known]:
        raise refusal(
            f"No forgotten failed job: {', '.join(unknown)}. After "
            f"{duration(conf.UNDO_WINDOW)} what was forgotten is deleted."
        )
    return found, f"forgotten failed jobs {', '.join(str(one) for one in ids)}"
