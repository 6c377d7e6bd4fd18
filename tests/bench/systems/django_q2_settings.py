"""A new Django project with django-q2."""

from __future__ import annotations

import os

from tests.bench.systems.plain_django import *  # noqa: F403
from tests.bench.systems.plain_django import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_q"]
Q_CLUSTER = {
    "name": "bench",
    "workers": int(os.environ.get("BENCH_WORKERS", "2")),
    "timeout": 60,
    # With less a task that waits in the cluster for its turn would be delivered a second time.
    "retry": 3600,
    "log_level": "WARNING",
}
if os.environ.get("BENCH_DJANGO_Q2_BROKER") == "redis":
    Q_CLUSTER["redis"] = f"{os.environ['BENCH_REDIS']}/0"
else:
    Q_CLUSTER["orm"] = "default"
