"""How workers learn that there is work; the ledger alone says what the work is."""

from __future__ import annotations

from jobs.conf import settings
from jobs.transports.contract import Transport


def current() -> Transport:
    """The transport that JOBS_TRANSPORT names."""
    if settings.TRANSPORT == "sync":
        from jobs.transports.sync import SyncTransport

        return SyncTransport()
    from jobs.transports.database import DatabaseTransport

    return DatabaseTransport()
