"""The tables of the engine."""

from jobs.models.attempt import Attempt, JobLog
from jobs.models.audit import AuditEntry
from jobs.models.bulk_operation import BulkOperation
from jobs.models.django_q2 import DjangoQ2Anchor
from jobs.models.failure import FailedJob, ForgottenFailedJob
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
    ACTIVE_OPERATION_STATES,
    FINISHED_STATES,
    HALTED_OPERATION_STATES,
    UNFINISHED_STATES,
    WAITING_STATES,
    AttemptOutcome,
    ClusterStatus,
    FailureReason,
    JobState,
    OperationKind,
    OperationState,
)
from jobs.models.unique import UniqueLock
from jobs.models.worker import Cluster, Lease, Worker

__all__ = [
    "ACTIVE_OPERATION_STATES",
    "FINISHED_STATES",
    "HALTED_OPERATION_STATES",
    "UNFINISHED_STATES",
    "WAITING_STATES",
    "Attempt",
    "AttemptOutcome",
    "AuditEntry",
    "BulkOperation",
    "Cluster",
    "ClusterStatus",
    "DjangoQ2Anchor",
    "DroppedDeclaration",
    "FailedJob",
    "FailureReason",
    "ForgottenFailedJob",
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
    "OperationKind",
    "OperationState",
    "OverlapRule",
    "Queue",
    "ScheduleKind",
    "ScheduleSlot",
    "SlotOutcome",
    "UniqueLock",
    "Worker",
]
