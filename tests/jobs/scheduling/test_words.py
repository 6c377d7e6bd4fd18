from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jobs.scheduling.rules import CalendarIntervalRule, CronRule, IntervalRule, OnceRule, Rule
from jobs.scheduling.words import describe

ROME = ZoneInfo("Europe/Rome")
MONDAY = datetime(2026, 6, 1, 3, tzinfo=ROME)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 2 * * *", "Every day at 02:00 (Europe/Rome)"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("* * * * *", "Every minute"),
        ("* * * * * *", "Every second"),
        ("*/10 * * * * *", "Every 10 seconds"),
        ("@hourly", "Every hour"),
        ("30 * * * *", "Every hour at minute 30"),
        ("0 */6 * * *", "Every 6 hours"),
        ("5 */6 * * *", "Every 6 hours at minute 5"),
        ("0 3 * * 0", "Every Sunday at 03:00 (Europe/Rome)"),
        ("0 2 * * 1", "Every Monday at 02:00 (Europe/Rome)"),
        ("0 9 * * MON-FRI", "Every Monday to Friday at 09:00 (Europe/Rome)"),
        ("0 4 1 * *", "On day 1 of the month at 04:00 (Europe/Rome)"),
        ("0 4 1,15 * *", "On days 1 and 15 of the month at 04:00 (Europe/Rome)"),
        ("0 0 L * *", "On the last day of the month at 00:00 (Europe/Rome)"),
        ("0 0 1,L * *", "On day 1 and the last day of the month at 00:00 (Europe/Rome)"),
        ("@yearly", "Every year on 1 January at 00:00 (Europe/Rome)"),
        ("0 0 29 2 *", "On day 29 of February at 00:00 (Europe/Rome)"),
        ("0 0 1 1,7 *", "On day 1 of January and July at 00:00 (Europe/Rome)"),
        ("0 0 * 8 *", "Every day in August at 00:00 (Europe/Rome)"),
        ("0 0 13 * 5", "On day 13 of the month and on Friday at 00:00 (Europe/Rome)"),
        ("0 0 13 * 0-6", "Every day at 00:00 (Europe/Rome)"),
        ("0 0 * * 5#2", "On the second Friday at 00:00 (Europe/Rome)"),
        ("0 0 * * 5L", "On the last Friday at 00:00 (Europe/Rome)"),
        ("30 1,13 * * *", "Every day at 01:30 and 13:30 (Europe/Rome)"),
        ("10 30 2 * * *", "Every day at 02:30:10 (Europe/Rome)"),
        (
            "*/5 8-17 * * 1-5",
            "Every 5 minutes between 08:00 and 17:59, every Monday to Friday (Europe/Rome)",
        ),
        ("0 9-17 * * *", "Every hour between 09:00 and 17:59 (Europe/Rome)"),
        (
            "0,7,14 1-3 * * *",
            "Every day, at minutes 0, 7 and 14 of hours 1, 2 and 3 (Europe/Rome)",
        ),
        (
            "*/25 * * * *",
            "Every day, at minutes 0, 25 and 50 of every hour (Europe/Rome)",
        ),
        (
            "0 */5 * * *",
            "Every day at 00:00, 05:00, 10:00, 15:00 and 20:00 (Europe/Rome)",
        ),
    ],
)
def test_a_cron_rule_in_words(expression: str, words: str) -> None:
    assert describe(CronRule(expression, "Europe/Rome")) == words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (IntervalRule(timedelta(minutes=15), MONDAY), "Every 15 minutes"),
        (IntervalRule(timedelta(minutes=1), MONDAY), "Every minute"),
        (IntervalRule(timedelta(minutes=90), MONDAY), "Every 1 hour 30 minutes"),
        (IntervalRule(timedelta(hours=36), MONDAY), "Every 36 hours"),
        (IntervalRule(timedelta(seconds=1.5), MONDAY), "Every 1.5 seconds"),
        (
            IntervalRule(timedelta(days=1), MONDAY, "Europe/Rome"),
            "Every day at 03:00 (Europe/Rome)",
        ),
        (IntervalRule(timedelta(days=3), MONDAY), "Every 3 days at 01:00 (UTC)"),
        (
            IntervalRule(timedelta(days=7), MONDAY, "Europe/Rome"),
            "Every Monday at 03:00 (Europe/Rome)",
        ),
        (
            IntervalRule(timedelta(days=14), MONDAY, "Europe/Rome"),
            "Every 2 weeks on Monday at 03:00 (Europe/Rome)",
        ),
        (
            CalendarIntervalRule(1, MONDAY, "Europe/Rome"),
            "On day 1 of the month at 03:00 (Europe/Rome)",
        ),
        (
            CalendarIntervalRule(3, datetime(2026, 1, 31, 4, tzinfo=UTC)),
            "Every 3 months on day 31, or the last of a shorter month, at 04:00 (UTC)",
        ),
        (
            CalendarIntervalRule(12, MONDAY, "Europe/Rome"),
            "Every year on 1 June at 03:00 (Europe/Rome)",
        ),
        (
            CalendarIntervalRule(12, datetime(2024, 2, 29, 4, tzinfo=UTC)),
            "Every year on 29 February (28 February in other years) at 04:00 (UTC)",
        ),
        (
            OnceRule(datetime(2027, 5, 3, 14, tzinfo=ROME)),
            "Once on 3 May 2027 at 14:00 (Europe/Rome)",
        ),
        (
            OnceRule(datetime(2027, 5, 3, 12, tzinfo=UTC), "Europe/Rome"),
            "Once on 3 May 2027 at 14:00 (Europe/Rome)",
        ),
    ],
)
def test_other_rules_in_words(rule: Rule, words: str) -> None:
    assert describe(rule) == words


def test_the_zone_can_be_left_out() -> None:
    assert (
        describe(CronRule("0 3 * * 0", "Europe/Rome"), show_zone=False) == "Every Sunday at 03:00"
    )
