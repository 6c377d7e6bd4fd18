"""Chooses the database of a test run before Django's settings are read.

`--database sqlite` (the default) or `--database postgresql`. A site's own environment, such as
its DATABASE_URL, never reaches a test.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.programs import ProgramMissing
from tests.support.servers import PostgresDatabases, PostgresServer

SHARED_SERVER = "JOBSITE_TEST_POSTGRES"
ENGINE_TESTS = Path(__file__).resolve().parent.parent / "jobs"

postgres_key = pytest.StashKey[PostgresDatabases]()
_own_server_key = pytest.StashKey[PostgresServer]()


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
        os.environ["DATABASE_URL"] = postgres_of(early_config).url("jobsite")


def postgres_of(config: pytest.Config) -> PostgresDatabases:
    """The PostgreSQL server of this run, started when it is first asked for.

    Where a server cannot be had the test that asks is skipped; on a CI machine it fails.
    """
    if postgres_key not in config.stash:
        if shared := os.environ.get(SHARED_SERVER):
            config.stash[postgres_key] = PostgresDatabases(shared)
        else:
            try:
                server = PostgresServer(durable=False)
            except ProgramMissing as missing:
                skip_or_fail(str(missing))
            config.stash[_own_server_key] = config.stash[postgres_key] = server.start()
    return config.stash[postgres_key]


def skip_or_fail(reason: str) -> None:
    """Skip the test that needs something this machine lacks; on a CI machine, fail it."""
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    on_sqlite = config.getoption("--database") == "sqlite"
    skip = pytest.mark.skip(reason="is about PostgreSQL: run with --database postgresql")
    for item in items:
        if item.path.is_relative_to(ENGINE_TESTS):
            item.add_marker(pytest.mark.both_databases)
        if on_sqlite and item.get_closest_marker("postgresql"):
            item.add_marker(skip)


def pytest_unconfigure(config: pytest.Config) -> None:
    if server := config.stash.get(_own_server_key, None):
        server.remove()
