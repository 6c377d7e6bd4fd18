"""Wiring only."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from jobs.cluster.naming import take_cluster_name

# Here, as django-q2 reads the variable when its own app is imported, after this one.
take_cluster_name()


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from jobs import checks, compat, events
        from jobs.scheduling import declared, planning, sealing

        compat.register_framework()
        checks.register_checks()
        events.connect_logging()
        sealing.connect()
        planning.connect()
        declared.connect()
        # Whatever is decorated there is registered, so that a worker knows what it can run.
        autodiscover_modules("jobs", "tasks")
        autodiscover_modules("schedules")
