"""What a person does first: run a job, break one, retry it, flush it, and look at the schedules."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Site, Visit

JOBS = "tests.support.worksite.jobs"


def dispatch(page: Page, name: str, **arguments: str) -> None:
    """Fill in the form of a job definition and send it; ends on the job's page."""
    page.goto(f"/admin/jobs/job/dispatch/?definition={JOBS}.{name}")
    for argument, value in arguments.items():
        page.fill(f"[name=argument-{argument}]", value)
    page.click("input[value=Dispatch]")


def wait_for_state(page: Page, state: str) -> None:
    """Reload the job's page until it shows this state."""
    badge = page.locator("h1 .jobs-badge")
    for _ in range(100):
        if badge.inner_text().lower() == state:
            return
        page.wait_for_timeout(100)
        page.reload()
    raise AssertionError(f"the job is {badge.inner_text()}, not {state}")


def test_a_job_is_dispatched_from_its_form_and_its_result_read(site: Site, visit: Visit) -> None:
    page = visit()
    dispatch(page, "add", a="2", b="40")
    wait_for_state(page, "succeeded")
    expect(page.locator("#content")).to_contain_text("42")
    expect(page.locator("#content")).to_contain_text("Attempt 1")


def test_a_wrong_argument_is_shown_at_its_field_and_enqueues_nothing(
    site: Site, visit: Visit
) -> None:
    page = visit()
    before = site.jobs()
    dispatch(page, "add", a="", b="40")
    expect(page.locator(".jobs-field", has=page.locator("[name=argument-a]"))).to_contain_text(
        "required"
    )
    assert sum(site.jobs().values()) == sum(before.values())


def test_a_broken_job_is_seen_retried_and_flushed(site: Site, visit: Visit) -> None:
    page = visit()
    dispatch(page, "raise_system_exit")
    wait_for_state(page, "failed")
    expect(page.locator("#content")).to_contain_text("SystemExit")

    page.get_by_role("link", name="Retry", exact=True).click()
    page.fill("[name=reason]", "the cause is gone")
    page.locator("#content form input[type=submit]").last.click()
    page.goto("/admin/jobs/failedjob/")
    expect(page.locator("#result_list tbody tr").first).to_be_visible()

    page.click("text=Flush all that match")
    expect(page.locator("#content")).to_contain_text("failed job")
    page.locator("#content form input[type=submit]").last.click()
    expect(page.locator(".messagelist")).to_be_visible()

    page.goto("/admin/jobs/auditentry/")
    expect(page.locator("#result_list")).to_contain_text("retry")
    expect(page.locator("#result_list")).to_contain_text("flush")


def test_a_schedule_says_when_it_runs_and_runs_now(site: Site, visit: Visit) -> None:
    page = visit("/admin/jobs/jobschedule/")
    page.click("text=health-check")
    expect(page.locator("#content")).to_contain_text("Every 5 minutes")
    runs = page.locator("table", has=page.locator("caption, th", has_text="UTC")).last
    expect(runs.locator("tbody tr")).to_have_count(20)
    page.get_by_role("link", name="Run now").click()
    page.locator("#content form input[type=submit]").last.click()
    page.goto("/admin/jobs/job/?q=health_check")
    expect(page.locator("#result_list tbody tr").first).to_contain_text("health_check")


def test_every_action_works_without_javascript(site: Site, visit: Visit) -> None:
    page = visit(java_script_enabled=False)
    dispatch(page, "raise_system_exit")
    wait_for_state(page, "failed")
    page.goto("/admin/jobs/failedjob/")
    page.check("[name=_selected_action]")
    page.select_option("select[name=action]", "retry_selected")
    page.click("button[name=index]")
    page.locator("#content form input[type=submit]").last.click()
    expect(page.locator(".messagelist")).to_contain_text("1")
    page.goto("/admin/jobs/jobschedule/add/")
    page.select_option("[name=definition]", f"{JOBS}.add")
    page.get_by_role("button", name="Load arguments form").click()
    expect(page.locator("[name=argument-a]")).to_be_visible()
