"""Why a job does not run: one true reason, and what mends it. The same for admin and command."""

from jobs.explaining.jobs import explain_job
from jobs.explaining.queues import explain_queue
from jobs.explaining.reasons import Reason, Remedy

__all__ = ["Reason", "Remedy", "explain_job", "explain_queue"]
