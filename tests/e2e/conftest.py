"""The site as a person meets it: its supervisor with web server and cluster, and a Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.browser import FLAGS, chromium
from tests.support.plugin import skip_or_fail
from tests.support.processes import ManageProcess, run_manage
from tests.support.programs import ProgramMissing
from tests.support.servers import free_port
from tests.support.waiting import wait_until

Visit = Callable[..., Page]


class Site:
    """A running site on a database of its own."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = ManageProcess(
            "run_site", "--port", str(self.port), environment=self.environment
        )

    def wait_until_ready(self) -> None:
        def answers() -> bool:
            assert self.process.process.poll() is None, self.process.output()
            try:
                with urlopen(f"{self.url}/health/ready", timeout=2) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        wait_until(answers, timeout=60, message=self.process.output)

    @property
    def password(self) -> str:
        """Of the login `admin`, as it was printed."""
        found = re.search(r"password +(\S+)", self.process.output())
        assert found, self.process.output()
        return found.group(1)

    def jobs(self) -> dict[str, int]:
        """How many jobs there are, by state."""
        return dict(self.ask("queue_status")["jobs"])

    def ask(self, *command: str) -> Any:
        """What a management command prints as JSON."""
        done = run_manage(*command, "--json", environment=self.environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """The site with the worksite's jobs, migrated, with its login and its demo."""
    from tests.support.processes import site_environment

    site = Site(
        site_environment(
            database_url,
            DJANGO_SETTINGS_MODULE="tests.e2e.settings",
            WORKSITE_CACHE=str(tmp_path / "cache"),
            WORKSITE_DIARY=str(tmp_path / "diary"),
            WORKSITE_SECRET="the processes of one test read what the others have signed",
        )
    )
    with site.process:
        site.wait_until_ready()
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium. Not for the session: its driver's event loop would keep the tests that come
    after it from using Django's database connections."""
    try:
        program = chromium()
    except ProgramMissing as missing:
        skip_or_fail(str(missing))
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def visit(site: Site, browser: Browser) -> Iterator[Visit]:
    """Opens a signed-in page. At the end no page may have complained or asked another host."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def listen(page: Page) -> None:
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((site.url, "data:"))
                else complaints.append(f"asked {request.url}")
            ),
        )

    def visit(path: str = "/admin/", **options: Any) -> Page:
        context = browser.new_context(base_url=site.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.goto("/admin/login/")
        page.fill("#id_username", "admin")
        page.fill("#id_password", site.password)
        page.click("input[type=submit]")
        page.wait_for_url("**/admin/")
        # Django has no favicon; a browser asks for one on its first page.
        listen(page)
        page.goto(path)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not complaints
