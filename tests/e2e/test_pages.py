"""Every page of the admin: in light and dark, wide and narrow, without a complaint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.conftest import Site, Visit
from tests.e2e.test_first_steps import JOBS, dispatch, wait_for_state

PAGES = (
    "/admin/",
    "/admin/jobs/",
    "/admin/jobs/job/",
    "/admin/jobs/job/dispatch/",
    f"/admin/jobs/job/dispatch/?definition={JOBS}.dig",
    "/admin/jobs/failedjob/",
    "/admin/jobs/failedjob/retry-matching/",
    "/admin/jobs/failedjob/flush-matching/?queue=default",
    "/admin/jobs/jobschedule/",
    "/admin/jobs/jobschedule/add/",
    "/admin/jobs/queue/",
    "/admin/jobs/queue/default/change/",
    "/admin/jobs/queue/default/pause/",
    "/admin/jobs/queue/default/clear/",
    "/admin/jobs/cluster/",
    "/admin/jobs/worker/",
    "/admin/jobs/auditentry/",
    "/admin/jobs/jobmetric/",
    "/admin/jobs/tagpause/",
    "/admin/jobs/tagpause/add/",
    "/admin/jobs/tenantshare/",
    "/admin/jobs/tenantshare/add/",
    "/admin/jobs/alertrule/",
    "/admin/jobs/alertrule/add/",
    "/admin/jobs/alert/",
    "/admin/conversations/conversation/",
    "/admin/conversations/message/",
    "/admin/analytics/usageanalytics/",
)
FIRST_ROWS = {
    "/admin/jobs/jobschedule/": ("change", "run", "pause", "delete"),
    "/admin/jobs/failedjob/": ("change", "retry", "forget"),
    "/admin/jobs/cluster/": ("change", "restart"),
    "/admin/jobs/worker/": ("change",),
    "/admin/jobs/auditentry/": ("change",),
}
"""Lists, and the pages of their first row."""
SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"

OVERFLOW = """() => document.documentElement.scrollWidth - document.documentElement.clientWidth"""
CRUSHED = """() => [...document.querySelectorAll('#content .module, #content section')]
    .filter(one => one.checkVisibility() && one.getBoundingClientRect().width < 200)
    .map(one => one.textContent.trim().slice(0, 40))"""


def pages_of_rows(page: Page) -> list[tuple[str, str]]:
    """Name and path of the pages of single rows, of which one is a job that failed far below."""
    dispatch(page, "dig", depth="60")
    wait_for_state(page, "failed")
    found = [("job-failed", page.url)]
    for path, verbs in FIRST_ROWS.items():
        page.goto(path)
        link = page.locator(f"#result_list a[href^='{path}'][href$='/change/']").first
        row = (link.get_attribute("href") or "").removesuffix("change/")
        found += [(f"{path.split('/')[-2]}-{verb}", f"{row}{verb}/") for verb in verbs]
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_page_fits_and_says_nothing_on_the_console(
    site: Site, visit: Visit, scheme: Any, width: int
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    bad: list[str] = []
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 900})
    named = [(path.partition("?")[0].strip("/").replace("/", "-"), path) for path in PAGES]
    for name, path in [*pages_of_rows(page), *named]:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        name += "-form" if "definition=" in path else ""
        page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
        bad += [f"{path} is too wide"] if page.evaluate(OVERFLOW) > 0 else []
        bad += [f"{path} leaves no room for {text}" for text in page.evaluate(CRUSHED)]
    assert not bad, f"at {width} px"
