"""Running commands as a terminal does."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import CommandError, call_command


@dataclass
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    error: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run() -> Callable[..., Ran]:
    """Run a command with its arguments as text, and return what it printed and its exit code."""

    def run(*arguments: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        code, error = 0, ""
        try:
            call_command(*arguments, stdout=out, stderr=err)
        except CommandError as end:
            code, error = end.returncode, str(end)
        return Ran(code, out.getvalue(), err.getvalue() + error)

    return run
