"""What a person does about many failures of one cause, a workflow that waits, and a limit."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Site, Visit
from tests.e2e.test_first_steps import dispatch, wait_for_state


def confirm(page: Page, reason: str) -> None:
    """Answer the page that asks whether it is really meant."""
    page.fill("[name=reason]", reason)
    page.locator("#content form input[type=submit]").last.click()


def reload_until(page: Page, text: str) -> None:
    """Reload the page until it shows this."""
    for _ in range(100):
        if text in page.locator("#content").inner_text():
            return
        page.wait_for_timeout(100)
        page.reload()
    raise AssertionError(f"{text!r} is not on {page.url}:\n{page.locator('#content').inner_text()}")


def test_failures_of_one_cause_are_retried_and_resolved_as_one(site: Site, visit: Visit) -> None:
    page = visit()
    for _ in range(2):
        dispatch(page, "raise_system_exit")
        wait_for_state(page, "failed")

    page.goto("/admin/jobs/failuregroup/")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("SystemExit")
    rows.first.get_by_role("link").first.click()
    expect(page.locator("#content")).to_contain_text("Latest failed jobs")

    page.get_by_role("link", name="Retry", exact=True).click()
    expect(page.locator("#content")).to_contain_text("Failed jobs2")
    confirm(page, "the cause is gone")
    expect(page.locator(".messagelist")).to_be_visible()

    page.goto("/admin/jobs/failuregroup/")
    page.locator("#result_list tbody tr").first.get_by_role("link").first.click()
    # The retried jobs fail again.
    reload_until(page, "4")
    page.get_by_role("link", name="Resolve", exact=True).click()
    confirm(page, "mended in 1.2")
    page.goto("/admin/jobs/failuregroup/?status=resolved")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)


def test_a_job_is_edited_and_run_again(site: Site, visit: Visit) -> None:
    page = visit()
    dispatch(page, "add", a="2", b="40")
    wait_for_state(page, "succeeded")
    page.get_by_role("link", name="Clone", exact=True).click()
    page.fill("[name=argument-b]", "41")
    confirm(page, "one more")
    # What differs is shown before anything happens.
    expect(page.locator("#content")).to_contain_text("41")
    page.locator("#content input[type=submit].default").click()
    page.locator(".messagelist a").click()
    wait_for_state(page, "succeeded")
    expect(page.locator("#content")).to_contain_text("43")


def test_a_workflow_waits_for_a_person_and_goes_on(site: Site, visit: Visit) -> None:
    page = visit()
    dispatch(page, "release_with_approval", version="7")
    wait_for_state(page, "succeeded")

    page.goto("/admin/jobs/workflow/")
    page.get_by_role("link", name=re.compile("release 7")).first.click()
    reload_until(page, "boss agrees")
    address = page.url

    page.goto("/admin/jobs/step/")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("boss agrees")
    page.check("[name=_selected_action]")
    page.select_option("select[name=action]", "approve_selected")
    page.click("button[name=index]")
    confirm(page, "the build is green")
    expect(page.locator(".messagelist")).to_contain_text("Approved 1 step")

    page.goto(address)
    reload_until(page, "Succeeded")
    page.goto("/admin/jobs/auditentry/")
    expect(page.locator("#result_list")).to_contain_text("approve")


def test_a_limit_is_changed_while_the_site_runs(site: Site, visit: Visit) -> None:
    page = visit()
    dispatch(page, "paced", number="1")
    wait_for_state(page, "succeeded")
    page.goto("/admin/jobs/limit/")
    page.get_by_role("link", name="paced").first.click()
    page.fill("[name=amount]", "25")
    page.locator("[name=_save]").click()
    expect(page.locator(".messagelist")).to_be_visible()
    shown = next(row for row in site.ask("queue_limits")["limits"] if row["name"] == "paced")
    assert shown["amount"] == 25
