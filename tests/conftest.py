"""Fixtures for tests of any app: servers, and fresh databases for processes of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.plugin import postgres_of, skip_or_fail
from tests.support.processes import run_manage, site_environment
from tests.support.programs import ProgramMissing
from tests.support.servers import PostgresDatabases, PostgresServer, RedisServer


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The test database, without the groups of roles that the migrations have made: tests of
    transactions empty every table, so no test could rely on what it begins with."""
    from django.contrib.auth.models import Group

    with django_db_blocker.unblock():
        Group.objects.all().delete()


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> PostgresDatabases:
    """The PostgreSQL that this run shares: make databases on it, but never stop it."""
    try:
        return postgres_of(pytestconfig)
    except ProgramMissing as missing:
        skip_or_fail(str(missing))


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    """A durable PostgreSQL of the test's own, to be stopped, killed and restarted."""
    try:
        server = PostgresServer()
    except ProgramMissing as missing:
        skip_or_fail(str(missing))
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A private Redis that this run shares."""
    try:
        server = RedisServer()
    except ProgramMissing as missing:
        skip_or_fail(str(missing))
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture(scope="session")
def _migrated(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A migrated database to copy from: a file's path, or a name on the PostgreSQL server."""
    if pytestconfig.getoption("--database") == "postgresql":
        template = f"template_{uuid4().hex}"
        url = postgres_of(pytestconfig).create(template)
    else:
        template = str(tmp_path_factory.mktemp("migrated") / "site.sqlite3")
        url = f"sqlite:///{template}"
    done = run_manage("migrate", "--verbosity=0", environment=site_environment(url))
    assert done.returncode == 0, done.stderr
    return template


@pytest.fixture
def fresh_database(
    pytestconfig: pytest.Config, tmp_path: Path, _migrated: str
) -> Iterator[Callable[[], str]]:
    """Makes migrated, empty databases of this run's vendor; each call gives a `DATABASE_URL`."""
    made: list[str] = []

    def make() -> str:
        name = f"site_{uuid4().hex}"
        if pytestconfig.getoption("--database") == "postgresql":
            made.append(name)
            return postgres_of(pytestconfig).create(name, template=_migrated)
        file = shutil.copyfile(_migrated, tmp_path / f"{name}.sqlite3")
        return f"sqlite:///{file}"

    yield make
    for name in made:
        postgres_of(pytestconfig).drop(name)


@pytest.fixture
def database_url(fresh_database: Callable[[], str]) -> str:
    """The address of a migrated, empty database that child processes can use."""
    return fresh_database()


@pytest.fixture
def site_env(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that runs the site on `database_url`, with its own state."""
    return site_environment(database_url, VAR_DIR=str(tmp_path / "var"))
