"""What the commands for operators share: options, exit codes, refusals, questions."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.exceptions import JobsError
from jobs.management.output import as_json

FOUND_NOTHING = 1
"""Exit code: nothing matched, or a check failed."""
USAGE = 2
"""Exit code: what was asked for cannot be; nothing was changed."""

INTERRUPTED = 130
"""Exit code: stopped by Ctrl-C in the middle, as shells have it."""


class OperatorCommand(BaseCommand):
    """A command that prints for people, or JSON with `--json`, and ends with a telling code.

    Subclasses write `operate`. A refusal by the engine becomes an error on standard error and the
    exit code 2.
    """

    exit_codes: ClassVar[Mapping[int, str]] = {}
    """Said in --help, after 0 and before 2."""
    destroys: ClassVar[bool] = False
    """Whether it asks before it acts."""
    acts: ClassVar[bool] = False
    """Whether it leaves an audit entry, which takes a reason."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        codes = {0: "done", **self.exit_codes, USAGE: "refused, nothing was changed"}
        told = "; ".join(f"{code}: {meaning}" for code, meaning in sorted(codes.items()))
        return super().create_parser(prog_name, subcommand, epilog=f"Exit codes: {told}.", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")
        if self.acts or self.destroys:
            parser.add_argument("--reason", default="", help="kept in the audit log")
            parser.add_argument(
                "--dry-run", action="store_true", help="say what would be done, and do nothing"
            )
        if self.destroys:
            parser.add_argument(
                "-y",
                "--yes",
                "--no-input",
                "--noinput",
                dest="interactive",
                action="store_false",
                help="do not ask",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.operate(**options)
        except JobsError as error:
            raise CommandError(str(error), returncode=USAGE) from error
        except KeyboardInterrupt:
            told = "Interrupted. What was done until then is done."
            raise CommandError(told, returncode=INTERRUPTED) from None

    def operate(self, **options: Any) -> None:
        raise NotImplementedError

    def show(self, options: Mapping[str, Any], data: Any, text: str) -> None:
        """Print the data as JSON if that was asked for, else the text."""
        self.stdout.write(as_json(data) if options["json"] else text)

    def confirm(self, options: Mapping[str, Any], question: str) -> None:
        """Ask; CommandError if the answer is no, or if there is nobody to ask."""
        if not options["interactive"]:
            return
        if not sys.stdin.isatty():
            raise refusal(f"{question} Nobody is there to answer: say --yes to do it.")
        # Standard output is for the result, which may be read by a program.
        self.stderr.write(f"{question} [y/N]", self.style.WARNING, ending=" ")
        self.stderr.flush()
        try:
            answer = input().strip().lower()
        except (EOFError, KeyboardInterrupt):
            # Ctrl-D or Ctrl-C: an answer too, which leaves the line unfinished.
            self.stderr.write("")
            answer = ""
        if answer not in ("y", "yes"):
            raise nothing("Nothing was changed.")


def nothing(text: str) -> CommandError:
    """The end of a command that found nothing to do, or whose check failed."""
    return CommandError(text, returncode=FOUND_NOTHING)


def refusal(text: str) -> CommandError:
    """The end of a command that was asked for what cannot be."""
    return CommandError(text, returncode=USAGE)


def uuid(text: str) -> UUID:
    """The type of an option that takes an id. Raises ArgumentTypeError."""
    try:
        return UUID(text)
    except ValueError:
        hint = "; say --all for all" if text == "all" else ""
        raise ArgumentTypeError(
            f"{text!r} is not an id; ids look like 0192f3c4-5b6a-7d8e-9f01-23456789abcd{hint}"
        ) from None


def json_value(text: str) -> Any:
    """The type of an option that takes JSON. Raises ArgumentTypeError."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not JSON: {error}") from None


def positive(text: str) -> int:
    """The type of an option that takes a whole number above 0. Raises ArgumentTypeError."""
    try:
        number = int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None
    if number < 1:
        raise ArgumentTypeError(f"{text!r} must be at least 1")
    return number
