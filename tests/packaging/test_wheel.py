"""What is inside the wheel."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.packaging.conftest import Installed
from tests.support.markdown import ROOT

PACKAGES = ("analytics", "conversations", "jobs", "jobsite")


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_the_wheel_has_the_four_packages_and_nothing_of_the_tests(names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    facts = {top for top in tops if top.endswith(".dist-info")}
    assert tops - facts == set(PACKAGES)
    assert len(facts) == 1
    assert not [name for name in names if "tests" in Path(name).parts]
    assert not [name for name in names if Path(name).name.startswith(("test_", "conftest"))]


def test_every_file_of_the_packages_is_in_the_wheel(names: set[str]) -> None:
    on_disk = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    in_wheel = {name for name in names if ".dist-info/" not in name}
    assert in_wheel == on_disk


def test_the_wheel_has_what_an_installed_app_needs_beside_its_code(names: set[str]) -> None:
    assert "jobs/py.typed" in names
    assert "jobs/migrations/0001_initial.py" in names
    assert any(name.startswith("jobs/templates/admin/jobs/") for name in names)
    assert any(name.startswith("jobs/static/jobs/") for name in names)


def test_the_wheel_brings_the_plugin_for_pytest(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        (facts,) = [name for name in archive.namelist() if name.endswith("/entry_points.txt")]
        assert archive.read(facts).decode().strip().splitlines() == [
            "[pytest11]",
            "jobs = jobs.testing.pytest_plugin",
        ]


def test_the_engine_is_installed_without_what_only_the_site_needs(installed: Installed) -> None:
    assert {"jobsite", "django", "django-q2"} <= installed.packages
    of_the_site = {"django-environ", "genai-prices", "uvicorn", "whitenoise"}
    of_extras = {"psycopg", "redis"}
    of_development = {"pytest", "hypothesis", "django-stubs", "mypy"}
    assert not installed.packages & (of_the_site | of_extras | of_development)
