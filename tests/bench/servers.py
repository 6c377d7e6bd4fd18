"""The servers of a benchmark, and a clean place on them for each run."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.bench.contract import Place
from tests.bench.tally import SUFFIX
from tests.support.servers import PostgresServer, RedisServer


class Servers:
    """A durable PostgreSQL and a Redis for the benchmark alone."""

    def __init__(self) -> None:
        self.postgres = PostgresServer(durable=True)
        self.redis = RedisServer()

    def start(self) -> None:
        self.postgres.start()
        self.redis.start()

    def remove(self) -> None:
        self.postgres.remove()
        self.redis.remove()

    def versions(self) -> dict[str, str]:
        with psycopg.connect(self.postgres.url("postgres")) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        assert row is not None
        info = self._ask_redis("INFO server")
        version = info.partition("redis_version:")[2].partition("\r\n")[0]
        return {"postgresql": str(row[0]).split()[0], "redis": version}

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A new database, an empty Redis, and an empty folder on the disk."""
        # Left-over work of the run before must not fall into this one.
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        self._ask_redis("FLUSHALL")
        folder = Path(tempfile.mkdtemp(prefix="jobsite-bench-"))
        # In memory where that is possible: the disk must not hold up a job that notes its start.
        tally = Path("/dev/shm" if Path("/dev/shm").is_dir() else folder, folder.name + SUFFIX)
        address = self.postgres.create("bench")
        try:
            redis = self.redis.url.removesuffix("/0")
            yield Place(address, redis, folder, tally, self.postgres.pid)
        finally:
            self.postgres.drop("bench")
            tally.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)

    def _ask_redis(self, command: str) -> str:
        """One command and its answer, as there may be no client installed."""
        port = urlsplit(self.redis.url).port
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(command.encode() + b"\r\nQUIT\r\n")
            answer = b""
            while block := connection.recv(65536):
                answer += block
        return answer.decode()
