"""When the jobs of conversations run by themselves, until the admin says otherwise."""

from __future__ import annotations

from conversations.jobs import (
    cleanup_old_conversations,
    cost_uncosted_messages,
    sync_model_pricing,
)
from jobs.schedules import Cron, declare

declare(
    "sync-model-pricing",
    definition=sync_model_pricing,
    rule=Cron("0 2 * * *"),
    no_overlap=True,
    notes="Models and prices from the price catalogue.",
)
declare(
    "cost-uncosted-messages",
    definition=cost_uncosted_messages,
    rule=Cron("*/15 * * * *"),
    no_overlap=True,
    notes="Costs what no real-time job has costed, up to 1,000 messages at a time.",
)
declare(
    "cleanup-old-conversations",
    definition=cleanup_old_conversations,
    rule=Cron("0 5 * * 6"),
    arguments={"retention_days": 90},
    no_overlap=True,
    notes="Archives conversations that were idle for 90 days.",
)
