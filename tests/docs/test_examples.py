"""What the documentation shows is true: its code runs, its commands and links exist."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import unittest
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from django.core.management import get_commands, load_command_class
from django.test import override_settings

from tests.docs.shop import NAME, shop_of, text_of
from tests.support.markdown import ROOT, Block, anchors, blocks, links, pages

RUN = (
    "failures.md", "middleware.md", "quickstart.md", "reference/events.md", "testing.md",
    "workflows.md", "writing-jobs.md",
)  # fmt: skip
"""Pages whose Python examples are imported as the app `shop`; what they type at `>>>` is run, in
this order, on the transport `sync`, and so are their tests."""

FICTIONAL = (NAME, "mysite")
"""Packages that examples import from and that nobody has."""

IN_CLASSES = re.compile(r"^    (?:async )?def (test_\w+)", re.MULTILINE)
FOR_PYTEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
"""The tests that a page shows: methods, and functions."""

PAGES = pages()
PYTHON = [block for page in PAGES for block in blocks(page, "python")]
CONSOLE = [block for page in PAGES for block in blocks(page, "console")]


@pytest.fixture
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, ModuleType]]:
    """The modules of a page's examples, with jobs that run at once."""
    page = ROOT / "docs" / request.param
    # Newer versions of Django want a mailer to be named; older ones ignore this.
    mailers = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    with (
        override_settings(JOBS_TRANSPORT="sync", MAILERS=mailers),
        shop_of(page, tmp_path) as modules,
    ):
        yield modules


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_python_example_compiles_and_what_it_imports_exists(block: Block) -> None:
    tree = ast.parse(text_of(block), str(block))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            if node.module.partition(".")[0] not in FICTIONAL:
                importlib.import_module(node.module)
                for alias in node.names:
                    exec(f"from {node.module} import {alias.name}", {})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("shop", "name"), [(name, name) for name in RUN], indirect=["shop"])
def test_what_a_page_types_at_the_prompt_answers_as_it_shows(
    shop: dict[str, ModuleType], name: str
) -> None:
    page = ROOT / "docs" / name
    typed = blocks(page, "pycon")
    names = {key: value for module in shop.values() for key, value in vars(module).items()}
    runner = doctest.DocTestRunner(
        verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    told: list[str] = []
    for block in typed:
        example = doctest.DocTestParser().get_doctest(
            block.text, names, str(block), str(page), block.line - 1
        )
        runner.run(example, out=told.append, clear_globs=False)
        names = example.globs
    assert not told, "".join(told)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("shop", "name"), [(name, name) for name in RUN], indirect=["shop"])
def test_the_tests_that_a_page_shows_pass(shop: dict[str, ModuleType], name: str) -> None:
    suite = unittest.TestSuite(
        unittest.defaultTestLoader.loadTestsFromModule(module) for module in shop.values()
    )
    result = unittest.TestResult()
    suite.run(result)
    assert not [text for _, text in [*result.failures, *result.errors]]
    assert result.testsRun == len(IN_CLASSES.findall((ROOT / "docs" / name).read_text()))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("shop", "name"),
    [("testing.md", name) for name in FOR_PYTEST.findall((ROOT / "docs/testing.md").read_text())],
    indirect=["shop"],
)
def test_a_function_for_pytest_that_a_page_shows_passes(
    shop: dict[str, ModuleType], name: str, request: pytest.FixtureRequest
) -> None:
    (function,) = [vars(module)[name] for module in shop.values() if name in vars(module)]
    fixtures = inspect.signature(function).parameters
    function(**{fixture: request.getfixturevalue(fixture) for fixture in fixtures})


@pytest.mark.parametrize("block", CONSOLE, ids=str)
def test_a_command_that_a_page_types_exists_and_has_the_options(block: Block) -> None:
    for command in block.commands():
        words = command.replace("python ", "", 1).split()
        if words[0] != "manage.py":
            continue
        name, options = words[1], words[2 : words.index("|") if "|" in words else None]
        known = load_command_class(get_commands()[name], name)
        parser = known.create_parser("manage.py", name)
        accepted = {text for action in parser._actions for text in action.option_strings}
        given = {word.partition("=")[0] for word in options if word.startswith("-")}
        assert given <= accepted, f"{block}: {command}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target}: there is no such file"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{target}: no heading has this anchor"


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    reached = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
    of_docs = {page for page in PAGES if page.parent != ROOT and page != index}
    assert of_docs <= reached
