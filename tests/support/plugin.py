"""Chooses the database of a test run before Django's settings are read.

`--database sqlite` (the default) or `--database postgresql`. A site's own environment, such as
its DATABASE_URL, never reaches a test.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.programs import ProgramMissing
from tests.support.servers import PostgresServer

DATABASE_FIXTURES = {
    "db",
    "transactional_db",
    "django_db_setup",
    "fresh_database",
    "database_url",
    "site_env",
    "own_postgres_server",
}
ENGINE_TESTS = Path(__file__).resolve().parent.parent / "jobs"

_postgres = pytest.StashKey[PostgresServer]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=["sqlite", "postgresql"],
        default="sqlite",
        help="the database that the tests run on",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS", "DEBUG", "HTTPS", "JOBS_TRANSPORT"):
        os.environ.pop(name, None)
    if early_config.known_args_namespace.database == "postgresql":
        try:
            os.environ["DATABASE_URL"] = postgres_of(early_config).url("jobsite")
        except ProgramMissing as missing:
            raise pytest.UsageError(f"--database postgresql: {missing}") from missing


def postgres_of(config: pytest.Config) -> PostgresServer:
    """The PostgreSQL server of this run, started when it is first asked for.

    Raises `ProgramMissing` where none can be had.
    """
    if _postgres not in config.stash:
        server = PostgresServer(durable=False)
        config.add_cleanup(server.remove)
        config.stash[_postgres] = server.start()
    return config.stash[_postgres]


def on_ci() -> bool:
    """Whether this is a CI machine, where nothing may be left out."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test that needs something this machine lacks; on a CI machine, fail it."""
    if on_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    on_sqlite = config.getoption("--database") == "sqlite"
    skip = pytest.mark.skip(reason="is about PostgreSQL: run with --database postgresql")
    for item in items:
        if item.path.is_relative_to(ENGINE_TESTS) and _uses_a_database(item):
            item.add_marker(pytest.mark.both_databases)
        if on_sqlite and item.get_closest_marker("postgresql"):
            item.add_marker(skip)


def _uses_a_database(item: pytest.Item) -> bool:
    """Whether the outcome may depend on the database: pure arithmetic is tested once."""
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(item.get_closest_marker("django_db") or fixtures & DATABASE_FIXTURES)
