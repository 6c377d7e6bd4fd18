"""When the jobs of analytics run by themselves, until the admin says otherwise."""

from __future__ import annotations

from analytics.jobs import generate_analytics, health_check, optimize_database
from jobs.schedules import Cron, declare

declare(
    "analytics-daily",
    definition=generate_analytics,
    rule=Cron("0 1 * * *"),
    arguments={"period": "daily"},
    no_overlap=True,
    notes="Yesterday.",
)
declare(
    "analytics-weekly",
    definition=generate_analytics,
    rule=Cron("0 3 * * 0"),
    arguments={"period": "weekly"},
    no_overlap=True,
    notes="The last week, Monday to Sunday, that is over: on a Sunday the one before this.",
)
declare(
    "analytics-monthly",
    definition=generate_analytics,
    rule=Cron("0 4 1 * *"),
    arguments={"period": "monthly"},
    no_overlap=True,
    notes="Last month.",
)
declare(
    "optimize-database",
    definition=optimize_database,
    rule=Cron("0 6 * * 0"),
    no_overlap=True,
    notes="VACUUM and ANALYZE, or what the database has instead; then orphaned records.",
)
declare(
    "health-check",
    definition=health_check,
    rule=Cron("*/5 * * * *"),
    no_overlap=True,
    notes="Its result is the finding; a finding is also logged as a warning.",
)
