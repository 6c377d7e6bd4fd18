"""A Django project of somebody who knows nothing but the README."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

from tests.support.markdown import Block
from tests.support.processes import ManageProcess
from tests.support.servers import free_port
from tests.support.waiting import wait_until

ADMIN = {"USERNAME": "olga", "EMAIL": "olga@example.org", "PASSWORD": "the long way home"}
BESIDE = ("runserver", "qcluster")
"""Commands that run beside the others until they are stopped."""


class StrangersProject:
    """`mysite` with the app `shop`, in a virtual environment of its own."""

    def __init__(self, folder: Path, python: Path, django: tuple[int, int]) -> None:
        self.folder, self.python, self.django = folder, python, django
        self.port = free_port()
        self.outputs: dict[str, str] = {}
        self.beside: dict[str, ManageProcess] = {}
        folder.mkdir()
        self.run("-m", "django", "startproject", "mysite", ".")
        self.run("-m", "django", "startapp", "shop")
        self.append("mysite/settings.py", 'INSTALLED_APPS += ["shop"]\n')

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        superuser = {f"DJANGO_SUPERUSER_{name}": value for name, value in ADMIN.items()}
        return {**kept, **superuser, "PYTHONUNBUFFERED": "1"}

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run Python in the project and return what it prints; it must end well."""
        done = subprocess.run(
            [str(self.python), *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def append(self, place: str, text: str) -> None:
        with (self.folder / place).open("a") as file:
            file.write(f"\n{text}")

    def apply(self, block: Block) -> None:
        """Do what the README says of this block."""
        if block.language == "console":
            for command in block.commands():
                self.type(command)
        elif block.place == "python manage.py shell":
            self.outputs["shell"] = self.run("manage.py", "shell", stdin=block.text)
        else:
            self.append(block.place, self._of_this_django(block.text))

    def type(self, command: str) -> None:
        """Type a command of the README: `python manage.py …`."""
        words = command.split()
        assert words[:2] == ["python", "manage.py"], command
        name, options = words[2], words[3:]
        if name in BESIDE:
            where = ["--noreload", f"127.0.0.1:{self.port}"] if name == "runserver" else []
            self.beside[name] = ManageProcess(
                name,
                *options,
                *where,
                environment=self.environment,
                python=str(self.python),
                root=self.folder,
            )
            return
        # There is nobody to answer its questions here; the environment has the answers.
        unasked = ["--noinput"] if name == "createsuperuser" else []
        self.outputs[name] = self.run("manage.py", name, *options, *unasked)

    def jobs(self, definition: str, order: str = "id") -> list[dict[str, Any]]:
        """The ledger's rows of a definition, as the database has them."""
        with closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=20)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(
                f"SELECT * FROM jobs_job WHERE definition = ? ORDER BY {order}", [definition]
            )
            return [dict(row) for row in rows]

    def wait_for_states(self, definition: str, *states: str) -> None:
        """Return when the jobs of the definition, oldest first, are in these states."""
        wait_until(
            lambda: [job["state"] for job in self.jobs(definition)] == list(states),
            timeout=90,
            interval=0.1,
            message=lambda: f"{self.jobs(definition)}\n{self.beside['qcluster'].output()}",
        )

    def stop(self) -> None:
        for process in self.beside.values():
            process.__exit__(None, None, None)

    def _of_this_django(self, text: str) -> str:
        """The line that stands behind `# on Django 5.2:` instead of the one before it."""
        if self.django >= (6, 0):
            return text
        return re.sub(r"^.*# on Django 5\.2: (.*)$", r"\1", text, flags=re.MULTILINE)


class Visitor:
    """A browser without JavaScript."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page."""
        try:
            with self._opener.open(self._root + path, timeout=30) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode(errors="replace")

    def get_json(self, path: str) -> tuple[int, dict[str, Any]]:
        status, text = self.get(path)
        return status, json.loads(text)

    def log_in(self) -> None:
        self.get("/admin/login/")
        token = next(cookie.value for cookie in self._cookies if cookie.name == "csrftoken")
        form = {
            "username": ADMIN["USERNAME"],
            "password": ADMIN["PASSWORD"],
            "csrfmiddlewaretoken": token or "",
            "next": "/admin/",
        }
        self._opener.open(f"{self._root}/admin/login/", urlencode(form).encode()).close()

    def static_files(self, page: str) -> Iterator[str]:
        """The addresses of the static files that a page asks for."""
        yield from re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
