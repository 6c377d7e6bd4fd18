"""A new Django project with django-tasks-db."""

from __future__ import annotations

import django

from tests.bench.systems.plain_django import *  # noqa: F403
from tests.bench.systems.plain_django import INSTALLED_APPS

# Older versions of Django take the Tasks framework from its backport.
FRAMEWORK = [] if django.VERSION >= (6,) else ["django_tasks"]
INSTALLED_APPS = [*INSTALLED_APPS, *FRAMEWORK, "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
