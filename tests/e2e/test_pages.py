"""Every page of the admin: in light and dark, wide and narrow, without a complaint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Site, Visit

PAGES = (
    "/admin/",
    "/admin/jobs/",
    "/admin/jobs/job/",
    "/admin/jobs/job/dispatch/",
    "/admin/jobs/failedjob/",
    "/admin/jobs/jobschedule/",
    "/admin/jobs/jobschedule/add/",
    "/admin/jobs/queue/",
    "/admin/jobs/cluster/",
    "/admin/jobs/worker/",
    "/admin/jobs/auditentry/",
    "/admin/conversations/conversation/",
    "/admin/conversations/message/",
    "/admin/analytics/usageanalytics/",
)
SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"

OVERFLOW = """() => document.documentElement.scrollWidth - document.documentElement.clientWidth"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_page_fits_and_says_nothing_on_the_console(
    site: Site, visit: Visit, scheme: Any, width: int
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    too_wide: list[str] = []
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 900})
    for path in PAGES:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        wider = page.evaluate(OVERFLOW)
        name = path.strip("/").replace("/", "-")
        page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
        too_wide += [path] if wider > 0 else []
    assert not too_wide, f"wider than {width} px"
