"""`manage.py run_site`: the web server and a cluster under one process, for `make run`."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from jobs.conf import settings as jobs_settings
from jobsite.login import Login, ensure_login
from jobsite.reachable import refuse_unusable_servers
from jobsite.supervisor import Service, Supervisor, port_answers, refuse_busy_port


class Command(BaseCommand):
    help = (
        "Prepare the database (migrations, schedules, a login, demo data on the first start), then"
        " run the web server and a cluster together. Ctrl-C stops both. Exit code 1 if one of them"
        " ends by itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1")
        parser.add_argument("--port", type=_port, default=8000, help="default: 8000")
        parser.add_argument(
            "--grace",
            type=float,
            help=(
                "seconds until what has not stopped is killed"
                " (default: 10 more than the pools give their running jobs)"
            ),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        grace = _grace(options["grace"])
        self._refuse_busy_port(host, port)
        try:
            refuse_unusable_servers()
        except ConnectionError as error:
            raise CommandError(f"Nothing was started: {error}") from error
        login = self._prepare()
        # The services open connections of their own.
        connections.close_all()
        supervisor = Supervisor(
            [Service("web", _web_command(host, port)), Service("cluster", _cluster_command())],
            grace=grace,
            out=sys.stdout,
            is_ready=lambda: port_answers(host, port),
            on_ready=lambda: self.stdout.write(_welcome(host, port, login)),
        )
        sys.exit(supervisor.run())

    def _refuse_busy_port(self, host: str, port: int) -> None:
        if not 1 <= port <= 65535:
            raise CommandError(f"PORT={port}: must be between 1 and 65535.")
        try:
            refuse_busy_port(host, port)
        except OSError as error:
            raise CommandError(
                f"Nothing was started: port {port} of {host} cannot be used ({error.strerror})."
                f" Choose another, for example `make run PORT={port + 1}`."
            ) from error

    def _prepare(self) -> Login:
        self.stdout.write("Preparing the database")
        call_command("migrate", interactive=False, verbosity=0, stdout=self.stdout)
        commands = get_commands()
        if "schedule_sync" in commands:
            call_command("schedule_sync", stdout=self.stdout)
        login = ensure_login("admin")
        if login.password is not None:
            # At once, so that it is not lost if something fails before the site is up.
            self.stdout.write(f"Made the superuser {login.username!r}, password {login.password}")
        if login.password is not None and "load_demo" in commands:
            call_command("load_demo", stdout=self.stdout)
        return login


def _port(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"PORT={text!r}: must be a whole number") from None


def _grace(seconds: float | None) -> timedelta:
    if seconds is None:
        pools = jobs_settings.POOLS.values()
        return max(pool.shutdown_grace for pool in pools) + timedelta(seconds=10)
    if seconds < 0:
        raise CommandError(f"--grace {seconds:g}: must be 0 or more seconds.")
    return timedelta(seconds=seconds)


def _welcome(host: str, port: int, login: Login) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    if login.password is None:
        password = f"the one you have (`manage.py changepassword {login.username}` sets another)"
    else:
        password = f"{login.password}  (made just now, shown this once)"
    return (
        f"\n  Jobsite runs at  http://{shown}:{port}/admin/\n"
        f"  login            {login.username}\n"
        f"  password         {password}\n"
        f"  stop             Ctrl-C\n"
    )


def _web_command(host: str, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "uvicorn", "jobsite.asgi:application"),
        *("--host", host, "--port", str(port)),
        *("--lifespan", "off", "--timeout-graceful-shutdown", "5"),
        *("--no-access-log", "--no-server-header", "--log-level", "warning"),
    ]


def _cluster_command() -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster"]
