from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from analytics.coverage import spans_with_messages
from analytics.models import Period
from analytics.periods import Span, closed_span, day_named, span_of
from analytics.rollup import roll_up


class Command(BaseCommand):
    help = (
        "Add up the usage and cost of a period, now and in this process: the one that a date lies"
        " in, the last one that is over, or every one with messages."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--period",
            choices=Period.values,
            help="Default: daily, or every kind with --all.",
        )
        when = parser.add_mutually_exclusive_group()
        when.add_argument("--date", metavar="YYYY-MM-DD", help="Any day of the period.")
        when.add_argument("--all", action="store_true", help="Every period with messages.")
        parser.add_argument(
            "--force",
            action="store_true",
            help="Also write over periods whose messages have partly been archived since.",
        )
        parser.add_argument("--json", action="store_true", help="Print the result as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        results = [roll_up(span, force=options["force"]) for span in self._spans(options)]
        if options["json"]:
            self.stdout.write(json.dumps(results))
            return
        kept = sum(result["kept"] for result in results)
        self.stdout.write(f"{len(results) - kept} periods written, {kept} kept as they were.")

    def _spans(self, options: dict[str, Any]) -> list[Span]:
        if options["all"]:
            named = [Period(options["period"])] if options["period"] else list(Period)
            return spans_with_messages(named)
        period = Period(options["period"] or Period.DAILY)
        if options["date"] is None:
            return [closed_span(period)]
        try:
            return [span_of(period, day_named(options["date"]))]
        except ValueError as error:
            raise CommandError(f"--{error}") from error
