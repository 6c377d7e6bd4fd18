"""The tables of the engine."""

from jobs.models.alert import Alert, AlertKind, AlertRule
from jobs.models.attempt import Attempt, JobLog
from jobs.models.audit import AuditEntry
from jobs.models.bulk_operation import BulkOperation
from jobs.models.django_q2 import DjangoQ2Anchor
from jobs.models.failure import FailedJob, ForgottenFailedJob
from jobs.models.failure_group import FailureGroup
from jobs.models.idempotency import IdempotencyMark
from jobs.models.job import Job, JobTag
from jobs.models.limit import Limit, LimitKey, LimitSlot, LimitWait
from jobs.models.metric import JobMetric, MetricLevel, MetricMark
from jobs.models.notification import Notice, NotificationRule
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
from jobs.models.sequence import JobSequence
from jobs.models.states import (
    ACTIVE_OPERATION_STATES,
    FINISHED_STATES,
    HALTED_OPERATION_STATES,
    UNFINISHED_STATES,
    WAITING_STATES,
    AttemptOutcome,
    Channel,
    ClusterStatus,
    FailureReason,
    GroupStatus,
    JobState,
    OperationKind,
    OperationState,
    StepKind,
    StepState,
    WorkflowKind,
    WorkflowState,
)
from jobs.models.tag_pause import TagPause, TagWait
from jobs.models.tenant import TenantShare
from jobs.models.unique import UniqueLock
from jobs.models.worker import Cluster, Lease, Worker
from jobs.models.workflow import Step, StepNeed, Workflow, WorkflowTag

__all__ = [
    "ACTIVE_OPERATION_STATES",
    "FINISHED_STATES",
    "HALTED_OPERATION_STATES",
    "UNFINISHED_STATES",
    "WAITING_STATES",
    "Alert",
    "AlertKind",
    "AlertRule",
    "Attempt",
    "AttemptOutcome",
    "AuditEntry",
    "BulkOperation",
    "Channel",
    "Cluster",
    "ClusterStatus",
    "DjangoQ2Anchor",
    "DroppedDeclaration",
    "FailedJob",
    "FailureGroup",
    "FailureReason",
    "ForgottenFailedJob",
    "GapRule",
    "GroupStatus",
    "IdempotencyMark",
    "Job",
    "JobLog",
    "JobMetric",
    "JobSchedule",
    "JobSequence",
    "JobState",
    "JobTag",
    "Lease",
    "Limit",
    "LimitKey",
    "LimitSlot",
    "LimitWait",
    "MetricLevel",
    "MetricMark",
    "MissedRule",
    "Notice",
    "NotificationRule",
    "OperationKind",
    "OperationState",
    "OverlapRule",
    "Queue",
    "ScheduleKind",
    "ScheduleSlot",
    "SlotOutcome",
    "Step",
    "StepKind",
    "StepNeed",
    "StepState",
    "TagPause",
    "TagWait",
    "TenantShare",
    "UniqueLock",
    "Worker",
    "Workflow",
    "WorkflowKind",
    "WorkflowState",
    "WorkflowTag",
]
