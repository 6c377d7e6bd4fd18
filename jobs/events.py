"""What happens in the life of a job, as Django signals.

Every signal is sent with `send_robust` after the transition is in the database: a receiver cannot
change what happened, and its exception is logged by Django and goes no further. `sender` is the
name of the job definition. All carry `job_id` (UUID), `definition` (str), `queue` (str) and
`attempt` (int, attempts spent); and besides these:

| signal | sent by | also carries |
|---|---|---|
| `job_queued` | who enqueues, once the transaction has committed | `due_at` (datetime or None) |
| `job_started` | the worker, before the job runs | `worker_id` (int) |
| `job_succeeded` | the worker | `run_time` (seconds, float) |
| `job_retrying` | the worker, or a rescuing cluster | `delay`, `exception_class`, `message` |
| `job_released` | the worker | `delay` (seconds) |
| `job_failed` | the worker, or a rescuing cluster | `reason`, `exception_class`, `message` |
| `job_lost` | the cluster that found the worker dead | `detail`, such as "signal 9" |
| `job_cancelled` | whoever cancelled or discarded it | `detail` |
"""

from __future__ import annotations

import logging
from typing import Any

from django.dispatch import Signal

job_queued = Signal()
job_started = Signal()
job_succeeded = Signal()
job_retrying = Signal()
job_released = Signal()
job_failed = Signal()
job_lost = Signal()
job_cancelled = Signal()

logger = logging.getLogger("jobs")


def emit(signal: Signal, definition: str, **payload: Any) -> None:
    """Send a signal, at no cost where nobody listens."""
    if signal.receivers and signal.has_listeners(definition):
        signal.send_robust(sender=definition, definition=definition, **payload)


def _log(level: int, text: str) -> Any:
    def receiver(sender: str, **payload: Any) -> None:
        if logger.isEnabledFor(level):
            payload.pop("signal", None)
            logger.log(
                level, text, {"message": "", "detail": "", **payload}, extra={"job": payload}
            )

    return receiver


_LOGGED = (
    (job_queued, logging.DEBUG, "queued %(definition)s %(job_id)s on %(queue)s"),
    (job_started, logging.DEBUG, "started %(definition)s %(job_id)s, attempt %(attempt)s"),
    (job_succeeded, logging.DEBUG, "succeeded %(definition)s %(job_id)s in %(run_time).3f s"),
    (
        job_retrying,
        logging.WARNING,
        "retrying %(definition)s %(job_id)s in %(delay).1f s: %(exception_class)s: %(message)s",
    ),
    (job_released, logging.INFO, "released %(definition)s %(job_id)s for %(delay).1f s"),
    (
        job_failed,
        logging.ERROR,
        "failed %(definition)s %(job_id)s (%(reason)s): %(exception_class)s: %(message)s",
    ),
    (job_lost, logging.ERROR, "lost %(definition)s %(job_id)s: %(detail)s"),
    (job_cancelled, logging.INFO, "cancelled %(definition)s %(job_id)s: %(detail)s"),
)


def connect_logging() -> None:
    """Let the logger `jobs` hear of every transition whose level it takes.

    A transition below the logger's level at start-up gets no receiver, so it costs nothing.
    """
    for signal, level, text in _LOGGED:
        if logger.isEnabledFor(level):
            signal.connect(_log(level, text), weak=False, dispatch_uid="jobs.logging")
