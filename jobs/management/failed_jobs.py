"""How commands name failed jobs: by id, or by a filter."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db.models import Q

from jobs import queue_names, registry
from jobs.conf import settings as conf
from jobs.failures import by_argument, groups
from jobs.failures.scope import Scope
from jobs.management.command import refusal
from jobs.management.moments import past
from jobs.management.output import moment
from jobs.models import FailedJob, Job
from jobs.models.failure import FailedJobQuerySet


def add_filters(parser: CommandParser, *, age: str) -> None:
    """Options that narrow failed jobs; `age` is `since` or `older_than`."""
    parser.add_argument("--queue", metavar="QUEUE", help="failed jobs of this queue")
    parser.add_argument(
        "--group",
        metavar="FINGERPRINT",
        help="failed jobs of this failure group, by its fingerprint or its beginning",
    )
    parser.add_argument(
        "--definition", metavar="NAME", help="failed jobs of this definition, by its dotted path"
    )
    parser.add_argument(
        "--exception", metavar="CLASS", help="that ended in this exception, by its dotted path"
    )
    parser.add_argument(
        "--argument",
        action="append",
        default=[],
        dest="argument",
        type=_argument,
        metavar="NAME=VALUE",
        help="that were given this, such as customer=7 or name=acme; may be repeated",
    )
    word = "since" if age == "since" else "longer ago than"
    parser.add_argument(
        f"--{age.replace('_', '-')}",
        type=past,
        metavar="WHEN",
        help=f"that failed {word} this: 2026-03-01T14:30, 2026-03-01, or 2h, 7d",
    )
    if age == "since":
        parser.add_argument(
            "--until", type=past, metavar="WHEN", help="that failed until this, likewise"
        )


def _argument(text: str) -> tuple[str, Any]:
    """The type of an option that names an argument. Raises ArgumentTypeError."""
    found = by_argument.parsed(text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} must be NAME=VALUE")
    return found


def matching(options: Mapping[str, Any]) -> tuple[FailedJobQuerySet, str]:
    """The failed jobs that the options name, and the same in words.

    Raises UnknownQueue and UnknownDefinition for names that no failed job has either, and what
    `groups.find` raises.
    """
    if (since := options.get("since")) and (until := options.get("until")) and since > until:
        raise refusal(f"--since {moment(since)} is after --until {moment(until)}.")
    rows = FailedJob.objects.using(conf.DATABASE).all()
    words = []
    if queue := options.get("queue"):
        rows = rows.filter(queue=queue)
        if not rows.exists():
            queue_names.resolve(queue)
        words.append(f"of the queue {queue}")
    if definition := options.get("definition"):
        rows = rows.filter(definition=definition)
        if not FailedJob.objects.using(conf.DATABASE).filter(definition=definition).exists():
            registry.get(definition)
        words.append(f"of {definition}")
    if given := dict(options.get("argument") or ()):
        rows = rows.filter(by_argument.having(given))
        words.append(f"with {by_argument.in_words(given)}")
    if exception := options.get("exception"):
        rows = rows.filter(exception_class=exception)
        words.append(f"that ended in {exception}")
    if group := options.get("group"):
        found = groups.find(group)
        rows = rows.filter(fingerprint=found.pk)
        words.append(f"of the failure group {found}")
    if since := options.get("since"):
        rows = rows.filter(failed_at__gte=since)
        words.append(f"that failed since {moment(since)}")
    if until := options.get("until"):
        rows = rows.filter(failed_at__lte=until)
        words.append(f"that failed until {moment(until)}")
    if before := options.get("older_than"):
        rows = rows.filter(failed_at__lt=before)
        words.append(f"that failed before {moment(before)}")
    return rows, " ".join(["failed jobs", *words]) if words else "all failed jobs"


def of_ids(ids: Sequence[UUID]) -> list[FailedJob]:
    """The failed jobs of these ids, which may be their own or those of their jobs.

    Raises CommandError that names every id that is neither.
    """
    rows = FailedJob.objects.using(conf.DATABASE).filter(Q(pk__in=ids) | Q(job_id__in=ids))
    found = list(rows.defer("arguments", "traceback").order_by("pk"))
    unknown = set(ids) - {row.pk for row in found} - {row.job_id for row in found}
    if unknown:
        raise _unknown([one for one in ids if one in unknown])
    return found


def scope_of(options: Mapping[str, Any]) -> Scope:
    """The filters of `add_filters` as the scope of an operation; without one, all there are."""
    names = ("queue", "definition", "exception", "since", "until")
    scope: Scope = {name: options[name] for name in names if options.get(name)}
    if group := options.get("group"):
        scope["fingerprint"] = groups.find(group).pk
    if given := dict(options.get("argument") or ()):
        scope["arguments"] = given
    return scope or {"all": True}


def _unknown(ids: Sequence[UUID]) -> CommandError:
    jobs = dict(Job.objects.using(conf.DATABASE).filter(pk__in=ids).values_list("pk", "state"))
    lines = []
    for one in dict.fromkeys(ids):
        if one in jobs:
            lines.append(f"Job {one} is {jobs[one]}; there is no failed job of it.")
        else:
            lines.append(f"There is no failed job {one}.")
    return refusal("\n".join(lines))
