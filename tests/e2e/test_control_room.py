"""What a person sees of the past, what holds a job back, and what mends it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.conftest import Site, Visit
from tests.e2e.test_first_steps import dispatch, wait_for_state


def test_a_job_says_which_paused_tag_it_waits_for_and_runs_once_that_is_resumed(
    site: Site, visit: Visit
) -> None:
    page = visit("/admin/jobs/tagpause/")
    page.get_by_role("link", name="Add paused tag").click()
    page.fill("[name=tag]", "crm")
    page.fill("[name=reason]", "down until ten")
    page.locator("[name=_save]").click()
    expect(page.locator("#result_list")).to_contain_text("down until ten")

    dispatch(page, "calls_the_crm", number="1")
    reason = page.locator("[data-reason=tag_paused]")
    expect(reason).to_contain_text("Its tag crm is paused by admin, until it is resumed")
    reason.get_by_role("link", name="Resume the tag").click()
    page.locator("#content form input[type=submit]").last.click()
    expect(page.locator(".messagelist")).to_contain_text("Resumed crm")

    page.goto("/admin/jobs/job/")
    page.locator("#result_list tbody tr").first.get_by_role("link").first.click()
    wait_for_state(page, "succeeded")
    expect(page.locator("[data-reason]")).to_have_count(0)


def test_the_past_is_drawn_and_stands_there_as_a_table_too(site: Site, visit: Visit) -> None:
    page = visit("/admin/jobs/jobmetric/")
    expect(page.locator(".jobs-charts canvas")).to_have_count(2)
    page.get_by_role("link", name="Last 7 days").click()
    expect(page.locator(".jobs-charts canvas")).to_have_count(2)
    expect(page.get_by_role("link", name="Last 7 days")).to_have_attribute("aria-current", "page")
    page.get_by_text("The course of time as a table").click()
    expect(page.get_by_role("columnheader", name="Succeeded")).to_be_visible()


def test_the_past_can_be_read_without_a_script(site: Site, visit: Visit) -> None:
    page = visit("/admin/jobs/jobmetric/", java_script_enabled=False)
    expect(page.locator("#jobs-by-queue")).to_be_visible()
    page.get_by_role("link", name="Last 24 hours").click()
    expect(page.get_by_role("link", name="Last 24 hours")).to_have_attribute("aria-current", "page")


def test_an_alert_rule_is_made_and_tried_out(site: Site, visit: Visit) -> None:
    page = visit("/admin/jobs/alertrule/add/")
    page.fill("[name=name]", "late")
    page.select_option("[name=kind]", "wait")
    page.fill("[name=limit]", "300")
    page.select_option("[name=channel]", "log")
    page.locator("[name=_continue]").click()
    page.get_by_role("link", name="Send a test").click()
    page.locator("#content form input[type=submit]").last.click()
    expect(page.locator(".messagelist")).to_contain_text("Sent a test")
