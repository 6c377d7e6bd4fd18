"""Private PostgreSQL and Redis servers for tests: temporary folder, free loopback port.

A server belongs to the thread that started it and goes down with its process, whatever ends that.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from tests.support import programs
from tests.support.waiting import wait_until


class PostgresDatabases:
    """A PostgreSQL server by its address: makes, copies and drops databases on it."""

    def __init__(self, address: str) -> None:
        """`address` is `postgres://user@host:port`, without a database."""
        self.address = address

    def url(self, name: str) -> str:
        """The `DATABASE_URL` of one of its databases."""
        return f"{self.address}/{name}"

    def create(self, name: str, *, template: str = "template1") -> str:
        """Make a database as a copy of another, and return its `DATABASE_URL`."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop(self, name: str) -> None:
        """Drop a database, throwing out whoever is connected to it."""
        self._execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


class _Server:
    """What a private server process has, whichever program it is."""

    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jobsite-server-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the running server process."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    @property
    def log(self) -> str:
        """All that the server has written."""
        file = self.folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> Self:
        """Start the server and return when it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                _leashed(self.command()),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                start_new_session=True,
            )
        wait_until(self._answers_or_died, timeout=60, message=lambda: self.log)
        return self

    def stop(self) -> None:
        """End the server in good order; nothing happens if it is not running."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the server as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start again, on the same port with the same data."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def _answers_or_died(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"the server ended while starting:\n{self.log}")
        return self.answers()

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(timeout=60)
        self._process = None


class PostgresServer(_Server, PostgresDatabases):
    """A private PostgreSQL with the superuser `jobsite` and no password.

    A durable one writes through to the disk, as a real server does; otherwise it trades that for
    speed, and a `kill()` may damage its data.
    """

    # Smart shutdown (SIGTERM) would wait for every client to leave.
    stop_signal = signal.SIGINT

    def __init__(self, *, durable: bool = True) -> None:
        self._bin = programs.postgres_bin()
        _Server.__init__(self)
        PostgresDatabases.__init__(self, f"postgres://jobsite@127.0.0.1:{self.port}")
        self._durable = durable
        if os.geteuid() == 0:
            user = _unprivileged_user()
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        initdb = [str(self._bin / "initdb"), "--auth=trust", "--username=jobsite", "--no-sync"]
        subprocess.run(
            _leashed([*initdb, "--encoding=UTF8", "--no-locale", f"--pgdata={self._data}"]),
            check=True,
            capture_output=True,
            cwd=self.folder,
        )

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "64MB",
        }
        if not self._durable:
            options |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self._data), *flags]

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def kill(self) -> None:
        """End the server and all its sessions as a power cut would."""
        group = self.pid
        super().kill()
        _wait_for_end_of_group(group)
        (self._data / "postmaster.pid").unlink(missing_ok=True)


class RedisServer(_Server):
    """A private Redis that keeps nothing on disk."""

    def __init__(self) -> None:
        self._program = programs.redis_server()
        super().__init__()
        if os.geteuid() == 0:
            user = _unprivileged_user()
            os.chown(self.folder, user.pw_uid, user.pw_gid)

    @property
    def url(self) -> str:
        """The `REDIS_URL` of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        return [str(self._program), *flags]

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("root needs a user `postgres` or `nobody` to run the servers as")


def _leashed(command: list[str]) -> list[str]:
    """The command as a user who is not root, ended with the process that started it."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if os.geteuid() == 0:
            raise programs.ProgramMissing("root needs `setpriv` (util-linux) to run the servers")
        return command
    leash = [setpriv, "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        user = _unprivileged_user()
        leash += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [*leash, *command]


def _wait_for_end_of_group(group: int) -> None:
    def ended() -> bool:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(ended, message=f"processes of group {group} are still there")
