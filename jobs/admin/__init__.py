"""The control room of the engine in the Django admin, one module for each noun."""

from django.apps import apps

from jobs.admin import (
    alerts,
    approvals,
    audit,
    bulk_operations,
    failure_groups,
    failures,
    forgotten,
    jobs,
    limits,
    metrics,
    notification_rules,
    queues,
    schedules,
    tag_pauses,
    tenants,
    workers,
    workflows,
)

if apps.is_installed("django_q"):
    from jobs.django_q2 import admin as django_q2  # noqa: F401 - takes the place of its pages

__all__ = [
    "alerts",
    "approvals",
    "audit",
    "bulk_operations",
    "failure_groups",
    "failures",
    "forgotten",
    "jobs",
    "limits",
    "metrics",
    "notification_rules",
    "queues",
    "schedules",
    "tag_pauses",
    "tenants",
    "workers",
    "workflows",
]
