from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from analytics.coverage import spans_with_messages
from analytics.jobs import generate_analytics
from analytics.rollup import roll_up
from conversations.catalogue.syncing import sync_prices
from conversations.demo.loading import load_demo


class Command(BaseCommand):
    help = (
        "Fill an empty site with a month of made-up conversations, their costs and analytics."
        " They belong to the first superuser. A site with conversations is left alone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sync",
            action="store_true",
            help="Make the analytics in this process instead of by jobs.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        owners = get_user_model()._default_manager.filter(is_superuser=True).order_by("pk")
        report = load_demo(owners.values_list("pk", flat=True).first())
        if report is None:
            self.stdout.write("There are conversations already; nothing was loaded.")
            return
        sync_prices()
        spans = spans_with_messages()
        if options["sync"]:
            for span in spans:
                roll_up(span)
        else:
            generate_analytics.enqueue_many(
                [
                    {"period": span.period.value, "date": span.first_day.isoformat()}
                    for span in spans
                ]
            )
        done = "made" if options["sync"] else "on their way as jobs"
        self.stdout.write(
            f"Loaded {report.imported} demo calls; analytics of {len(spans)} periods are {done}."
        )
