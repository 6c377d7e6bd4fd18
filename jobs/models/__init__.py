"""The tables of the engine."""

from jobs.models.attempt import Attempt, JobLog
from jobs.models.audit import AuditEntry
from jobs.models.django_q2 import DjangoQ2Anchor
from jobs.models.failure import FailedJob
from jobs.models.idempotency import IdempotencyMark
from jobs.models.job import Job, JobTag
from jobs.models.limit import Limit, LimitKey, LimitSlot, LimitWait
from jobs.models.queue import Queue
from jobs.models.schedule import (
    DroppedDeclaration,
    GapRule,
    JobSchedule,
    MissedRule,
    OverlapRule,
    ScheduleKind,
    ScheduleSlot,
    SlotOutcome,
)
from jobs.models.states import (
    FINISHED_STATES,
    UNFINISHED_STATES,
    WAITING_STATES,
    AttemptOutcome,
    ClusterStatus,
    FailureReason,
    JobState,
)
from jobs.models.unique import UniqueLock
from jobs.models.worker import Cluster, Lease, Worker

__all__ = [
    "FINISHED_STATES",
    "UNFINISHED_STATES",
    "WAITING_STATES",
    "Attempt",
    "AttemptOutcome",
    "AuditEntry",
    "Cluster",
    "ClusterStatus",
    "DjangoQ2Anchor",
    "DroppedDeclaration",
    "FailedJob",
    "FailureReason",
    "GapRule",
    "IdempotencyMark",
    "Job",
    "JobLog",
    "JobSchedule",
    "JobState",
    "JobTag",
    "Lease",
    "Limit",
    "LimitKey",
    "LimitSlot",
    "LimitWait",
    "MissedRule",
    "OverlapRule",
    "Queue",
    "ScheduleKind",
    "ScheduleSlot",
    "SlotOutcome",
    "UniqueLock",
    "Worker",
]
