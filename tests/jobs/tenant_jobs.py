"""Jobs of tenants, on a queue that they share."""

from __future__ import annotations

from typing import Any

from jobs import job


@job(queue_name="shared", tenant=lambda account: account)
def export(account: str) -> str:
    """Export the data of an account."""
    if account == "broken":
        raise ValueError("broken")
    return account


@job(queue_name="shared", tenant=lambda account: account)
def of_anybody(account: Any) -> None: ...


@job(queue_name="shared", tenant="back office")
def report() -> None: ...


@job(queue_name="shared", tenant=lambda key, secret: secret, sensitive=["secret"])
def tells_a_secret(key: int, secret: str) -> None: ...
