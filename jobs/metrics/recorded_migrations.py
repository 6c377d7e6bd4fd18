"""Whether every migration is recorded as applied, told without loading one."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from django.apps import apps
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def all_recorded(connection: BaseDatabaseWrapper) -> bool:
    """Whether each file of a migration that is there is recorded as applied.

    Then nothing is left to migrate. If not, that may still be so, as with a squashed migration:
    only the graph of all migrations tells, and to load that takes ten megabytes in each process.
    """
    applied = MigrationRecorder(connection).applied_migrations()
    return all(
        (config.label, name) in applied
        for config in apps.get_app_configs()
        for name in _names(config.label)
    )


def _names(label: str) -> list[str]:
    """The names of an app's migrations, by the rule that Django itself has for their files."""
    module, _ = MigrationLoader.migrations_module(label)
    if module is None:
        return []
    try:
        package = import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return []
    paths = getattr(package, "__path__", [])
    return [
        file.name for file in iter_modules(paths) if not file.ispkg and file.name[0] not in "_~"
    ]
