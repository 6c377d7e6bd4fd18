"""Whether what the settings name can be used, asked before the site starts anything."""

from __future__ import annotations

from django.conf import settings
from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS, Error, connections

from jobsite.environment import without_password


def refuse_unusable_servers() -> None:
    """Return if the database and the cache answer.

    Raises `ConnectionError` that names the setting, its value without a password, and the reason.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        connection.ensure_connection()
    except Error as error:
        raise ConnectionError(_told("DATABASE_URL", _database(), error)) from error
    try:
        cache.set("jobsite.reachable", True, timeout=1)
    except Exception as error:
        # Every cache has exceptions of its own.
        name = "REDIS_URL" if settings.REDIS_URL else "VAR_DIR"
        place = without_password(settings.REDIS_URL) or str(settings.VAR_DIR)
        raise ConnectionError(_told(name, place, error)) from error


def _database() -> str:
    database = connections[DEFAULT_DB_ALIAS].settings_dict
    if not database["HOST"]:
        return str(database["NAME"])
    return f"{database['HOST']}:{database['PORT'] or 5432}/{database['NAME']}"


def _told(name: str, place: str, error: Exception) -> str:
    return f"{name}: {place} cannot be used: {' '.join(str(error).split())}"
