"""The Tasks framework: Django's own from 6.0, its backport `django-tasks` on Django 5.2.

No other module may import either, so that nothing else knows which one it is. The backport does
not alias to `django.tasks`; both read the same TASKS setting, so the choice is by version.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, TypeAlias

import django
from django.utils.module_loading import import_string

if TYPE_CHECKING or django.VERSION < (6, 0):
    from django_tasks import (
        TaskContext,
        TaskResult,
        TaskResultStatus,
        default_task_backend,
        task,
        task_backends,
    )
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import Task as GenericTask
    from django_tasks.base import TaskError
    from django_tasks.exceptions import TaskResultDoesNotExist
    from django_tasks.signals import task_enqueued, task_finished, task_started
    from django_tasks.utils import get_module_path, normalize_json

    if TYPE_CHECKING:
        # Only the backport's is generic.
        Task: TypeAlias = GenericTask[..., Any]
    else:
        Task = GenericTask
    FRAMEWORK = "django_tasks"
else:
    from django.tasks import (
        TaskContext,
        TaskResult,
        TaskResultStatus,
        default_task_backend,
        task,
        task_backends,
    )
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import Task, TaskError
    from django.tasks.exceptions import TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
    from django.utils.json import normalize_json

    def get_module_path(value):
        return f"{value.__module__}.{value.__qualname__}"

    FRAMEWORK = "django.tasks"

_exceptions = importlib.import_module(f"{FRAMEWORK}.exceptions")
# The backport up to 0.12 calls it InvalidTaskError.
InvalidTask: type[Exception] = (
    getattr(_exceptions, "InvalidTask", None) or _exceptions.InvalidTaskError
)


def is_importable(function: Any) -> bool:
    """Whether a worker finds this function, or the task made of it, under its dotted path."""
    try:
        found = import_string(get_module_path(function))
    except ImportError:
        return False
    return found is function or getattr(found, "func", None) is function


def register_framework() -> None:
    """Connect the framework's checks and settings receivers, which the backport leaves to its
    own app config; ours must not ask for one more INSTALLED_APPS entry."""
    if FRAMEWORK == "django_tasks":
        importlib.import_module("django_tasks.signals")
        importlib.import_module("django_tasks.checks")


__all__ = [
    "FRAMEWORK",
    "BaseTaskBackend",
    "InvalidTask",
    "Task",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultStatus",
    "default_task_backend",
    "get_module_path",
    "is_importable",
    "normalize_json",
    "register_framework",
    "task",
    "task_backends",
    "task_enqueued",
    "task_finished",
    "task_started",
]
