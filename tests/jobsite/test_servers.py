"""The servers that tests stand on: they keep what they should, and go when they should."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import psutil
import psycopg
import pytest

from tests.support.plugin import skip_or_fail
from tests.support.processes import ROOT, lives, run_manage, site_environment
from tests.support.servers import PostgresDatabases, PostgresServer, RedisServer
from tests.support.waiting import wait_until


def test_what_was_committed_outlives_a_power_cut(own_postgres_server: PostgresServer) -> None:
    url = own_postgres_server.create("kept")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE facts AS SELECT 42 AS answer")
    own_postgres_server.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    own_postgres_server.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT answer FROM facts").fetchone() == (42,)


def test_a_restart_keeps_the_address(own_postgres_server: PostgresServer) -> None:
    before = own_postgres_server.url("postgres"), own_postgres_server.pid
    own_postgres_server.restart()
    after = own_postgres_server.url("postgres"), own_postgres_server.pid
    assert before[0] == after[0]
    assert before[1] != after[1]
    psycopg.connect(after[0]).close()


def test_a_copy_of_a_database_is_independent(postgres_server: PostgresDatabases) -> None:
    original = postgres_server.create("original")
    with psycopg.connect(original) as connection:
        connection.execute("CREATE TABLE facts (answer int)")
    copy = postgres_server.create("copy", template="original")
    with psycopg.connect(copy) as connection:
        connection.execute("INSERT INTO facts VALUES (1)")
    with psycopg.connect(original) as connection:
        assert connection.execute("SELECT count(*) FROM facts").fetchone() == (0,)
    postgres_server.drop("copy")
    postgres_server.drop("original")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(copy)


def test_redis_answers_and_starts_empty_again(redis_server: RedisServer) -> None:
    import redis

    with redis.Redis.from_url(redis_server.url) as client:
        client.set("key", "value")
        redis_server.restart()
        assert client.get("key") is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_server_goes_down_with_a_test_run_that_is_killed() -> None:
    code = (
        "import time; from tests.support.servers import RedisServer;"
        "print(RedisServer().start().pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as run:
        assert run.stdout is not None
        server = psutil.Process(int(run.stdout.readline()))
        run.kill()
    wait_until(lambda: not lives(server), message="the server outlived the test run")


def test_a_missing_program_skips_on_a_desk_and_fails_on_a_ci_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such server"):
        skip_or_fail("no such server")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such server"):
        skip_or_fail("no such server")


@pytest.mark.both_databases
def test_fresh_databases_are_migrated_and_independent(
    fresh_database: Callable[[], str], pytestconfig: pytest.Config
) -> None:
    first, second = (site_environment(fresh_database()) for _ in range(2))
    vendor = {"sqlite": "sqlite", "postgresql": "postgres"}[pytestconfig.getoption("--database")]
    assert first["DATABASE_URL"].startswith(f"{vendor}://")
    assert run_manage("migrate", "--check", environment=first).returncode == 0
    made = [run_manage("ensure_login", environment=site).stdout for site in (first, first, second)]
    assert ["Made" in told for told in made] == [True, False, True]


def test_waiting_ends_with_the_first_true_value() -> None:
    answers = iter([0, None, "ready"])
    assert wait_until(lambda: next(answers), interval=0) == "ready"


def test_waiting_in_vain_tells_what_for() -> None:
    with pytest.raises(AssertionError, match="the moon is full"):
        wait_until(lambda: False, timeout=0.01, message=lambda: "the moon is full")
