from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.utils import timezone

from conversations.calls.record import RecordedCall, parse_call
from conversations.costs import cost_messages
from conversations.importing.storing import ImportReport, store_calls
from conversations.models import Conversation

LOG = Path(__file__).with_name("calls.jsonl")

# The newest call of the demo is this old when it is loaded.
NEWEST = timedelta(minutes=20)


def demo_calls(now: datetime) -> list[RecordedCall]:
    """The demo's calls, their times moved so that the newest was made shortly before `now`."""
    records = [json.loads(line) for line in LOG.read_text().splitlines()]
    newest = max(datetime.fromisoformat(record["requested_at"]) for record in records)
    shift = now - NEWEST - newest
    for record in records:
        moved = datetime.fromisoformat(record["requested_at"]) + shift
        record["requested_at"] = moved.astimezone(UTC).isoformat(timespec="seconds")
    return [parse_call(json.dumps(record)) for record in records]


def load_demo(user_id: int | None = None) -> ImportReport | None:
    """Import and cost the demo's calls for one user, or for nobody.

    Does nothing, and returns None, on a site that has conversations already: the demo's own, or
    real ones that it must not be mixed into.
    """
    if Conversation.objects.exists():
        return None
    report = ImportReport()
    store_calls(demo_calls(timezone.now()), report, user_id)
    cost_messages(report.uncosted)
    return report
