"""`shop`, the app that the examples of the documentation belong to."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import django

from jobs import registry
from jobs.scheduling import declarations
from tests.support.markdown import Block, blocks

NAME = "shop"
DEFAULT = "shop/jobs.py"
"""Where an example belongs whose first line names no file."""


@contextmanager
def shop_of(page: Path, folder: Path) -> Iterator[dict[str, ModuleType]]:
    """The modules that a page's Python examples make, by their names, imported from a folder.

    Afterwards neither modules nor job definitions and declared schedules are left of them.
    """
    for place, found in by_file(page).items():
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        (folder / NAME / "__init__.py").touch()
        file.write_text("\n".join(text_of(block) for block in found))
    with (
        patch.object(sys, "path", [str(folder), *sys.path]),
        patch.dict(registry._definitions),
        patch.dict(declarations._declarations),
    ):
        importlib.invalidate_caches()
        try:
            yield {name: importlib.import_module(name) for name in _module_names(by_file(page))}
        finally:
            for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
                del sys.modules[name]


def by_file(page: Path) -> dict[str, list[Block]]:
    """The page's Python examples by the file that they belong to."""
    found: dict[str, list[Block]] = {}
    for block in blocks(page, "python"):
        place = block.place or DEFAULT
        if place.startswith(f"{NAME}/"):
            found.setdefault(place, []).append(block)
    return found


def text_of(block: Block) -> str:
    """The example for the Django that runs here: Django 5.2 has its tasks from the backport."""
    if django.VERSION >= (6, 0):
        return block.text
    text = re.sub(r"^.*# on Django 5\.2: (.*)$", r"\1", block.text, flags=re.MULTILINE)
    return text.replace("from django.tasks import", "from django_tasks import")


def _module_names(files: dict[str, list[Block]]) -> list[str]:
    return [place.removesuffix(".py").replace("/", ".") for place in files]
