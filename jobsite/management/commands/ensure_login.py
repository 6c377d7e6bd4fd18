"""`manage.py ensure_login`: a superuser with a random password, unless there is one already."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobsite.login import ensure_login


class Command(BaseCommand):
    help = (
        "Make a superuser with a random password and print it, once. Where an active superuser"
        " exists already, that one is kept and nothing is changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", default="admin", help="default: admin")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            login = ensure_login(options["username"])
        except ValueError as error:
            raise CommandError(f"--username: {error}; choose another name.") from error
        if login.password is None:
            self.stdout.write(f"The superuser {login.username!r} exists and is kept.")
            return
        self.stdout.write(f"Made the superuser {login.username!r}. Its password, shown this once:")
        self.stdout.write(login.password)
