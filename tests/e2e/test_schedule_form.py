"""The form of a schedule, whose arguments follow the definition that is chosen."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Site, Visit
from tests.e2e.test_first_steps import JOBS


def choose(page: Page, name: str) -> None:
    page.select_option("[name=definition]", f"{JOBS}.{name}")


def test_choosing_a_definition_shows_its_arguments_and_keeps_what_was_typed(
    site: Site, visit: Visit
) -> None:
    page = visit("/admin/jobs/jobschedule/add/")
    page.fill("[name=name]", "sums")
    page.fill("[name=cron]", "30 2 * * *")

    choose(page, "add")
    expect(page.locator("[name=argument-a]")).to_be_visible()
    page.fill("[name=argument-a]", "2")
    choose(page, "record")
    expect(page.locator("[name=argument-word]")).to_be_visible()
    expect(page.locator("input[type=number][name=argument-a]")).to_have_count(0)
    choose(page, "add")
    expect(page.locator("[name=argument-a]")).to_have_value("2")

    expect(page.locator("[name=name]")).to_have_value("sums")
    expect(page.locator("[name=cron]")).to_have_value("30 2 * * *")
    page.fill("[name=argument-b]", "40")
    page.click("[name=_continue]")
    expect(page.locator(".messagelist")).to_contain_text("was added successfully")
    expect(page.locator("[name=argument-a]")).to_have_value("2")
    expect(page.locator("[name=argument-b]")).to_have_value("40")


def test_the_arguments_of_the_definition_chosen_last_are_shown_whatever_answers_first(
    site: Site, visit: Visit
) -> None:
    page = visit("/admin/jobs/jobschedule/add/")
    held = []

    def hold_the_first(route: object) -> None:
        held.append(route)
        if len(held) > 1:
            route.continue_()  # type: ignore[attr-defined]

    page.route("**/jobschedule/add/", hold_the_first)
    choose(page, "add")
    choose(page, "record")
    expect(page.locator("[name=argument-word]")).to_be_visible()
    with page.expect_response("**/jobschedule/add/"):
        held[0].continue_()

    expect(page.locator("[name=argument-word]")).to_be_visible()
    expect(page.locator("[name=argument-a]")).to_have_count(0)


def test_a_page_that_cannot_be_loaded_says_so_and_leaves_the_button(
    site: Site, visit: Visit
) -> None:
    page = visit("/admin/jobs/jobschedule/add/")
    page.route(
        "**/jobschedule/add/",
        lambda route: (
            route.fulfill(status=204, body="")
            if route.request.method == "POST"
            else route.continue_()
        ),
    )
    choose(page, "add")

    expect(page.locator("#jobs-arguments")).to_contain_text("could not be loaded")
    page.unroute("**/jobschedule/add/")
    page.get_by_role("button", name="Load arguments form").click()
    expect(page.locator("[name=argument-a]")).to_be_visible()
