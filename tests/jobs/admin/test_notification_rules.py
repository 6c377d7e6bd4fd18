"""Rules of notifications in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from jobs.models import AuditEntry, NotificationRule
from tests.jobs.admin.conftest import BrowserOf
from tests.jobs.admin.test_operations import confirm, entry, told
from tests.support.webhooks import webhook

LIST = "admin:jobs_notificationrule_changelist"
SECRET = "https://hooks.example.org/services/s3cret"
FORM = {
    "name": "ops", "enabled": "on", "channel": "mail", "target": "ops@example.org", "queue": "",
    "definition": "", "cooldown": "01:00:00",
}  # fmt: skip


def chat(**facts: Any) -> NotificationRule:
    return NotificationRule.objects.create(
        **{"name": "chat", "channel": "webhook", "target": SECRET, **facts}
    )


def test_a_rule_is_added_changed_and_deleted_with_an_audit_entry_each(boss: Client) -> None:
    boss.post(reverse("admin:jobs_notificationrule_add"), FORM)
    rule = NotificationRule.objects.get()
    change = reverse("admin:jobs_notificationrule_change", args=[rule.pk])
    boss.post(change, {**FORM, "queue": "ai"})
    boss.post(reverse("admin:jobs_notificationrule_delete", args=[rule.pk]), {"post": "yes"})

    assert not NotificationRule.objects.exists()
    entries = list(AuditEntry.objects.order_by("pk"))
    assert [one.action for one in entries] == [
        "add notification rule", "change notification rule", "delete notification rule",
    ]  # fmt: skip
    assert (entries[1].before["queue"], entries[1].after["queue"]) == ("", "ai")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("target", "ops", "is not a mail address"),
        ("target", "", "at least one mail address"),
        ("cooldown", "-1", "from 0 to 365 days"),
        ("cooldown", "soon", "Enter a valid duration"),
        ("channel", "pigeon", "Select a valid choice"),
        ("queue", "hihg", "Select a valid choice"),
        ("definition", "shop.jobs.gone", "Select a valid choice"),
        ("name", "", "This field is required"),
    ],
)
def test_what_does_not_fit_is_told_at_its_field(
    boss: Client, field: str, value: str, told: str
) -> None:
    page = boss.post(reverse("admin:jobs_notificationrule_add"), {**FORM, field: value})

    assert told in str(page.context["adminform"].form.errors[field])
    assert not NotificationRule.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_filter_that_is_no_longer_offered_is_kept(boss: Client) -> None:
    rule = chat(queue="old", definition="shop.jobs.gone")
    page = reverse("admin:jobs_notificationrule_change", args=[rule.pk])
    data = {**FORM, "name": "chat", "queue": "old", "definition": "shop.jobs.gone"}

    boss.post(page, data)

    rule.refresh_from_db()
    assert (rule.queue, rule.definition, rule.channel) == ("old", "shop.jobs.gone", "mail")


def test_the_secret_of_a_webhook_is_shown_to_who_may_change_it_alone(
    boss: Client, browser_of: BrowserOf
) -> None:
    rule = chat()
    page = reverse("admin:jobs_notificationrule_change", args=[rule.pk])
    viewer = browser_of("view_notificationrule")

    assert SECRET in boss.get(page).text
    for address in (page, reverse(LIST)):
        seen = viewer.get(address)
        assert seen.status_code == 200
        assert "s3cret" not in seen.text
        assert "https://hooks.example.org/…" in seen.text
    boss.post(page, {**FORM, "name": "chat", "channel": "webhook", "target": SECRET + "2"})
    assert NotificationRule.objects.get().target == SECRET + "2"
    assert "s3cret" not in str([entry().before, entry().after])


def test_rules_of_the_settings_are_shown_beside_those_of_the_admin(
    boss: Client, settings: Any
) -> None:
    chat()
    settings.JOBS_NOTIFY = {"night": {"channel": "mail", "target": "n@example.org", "queue": "ai"}}

    page = boss.get(reverse(LIST)).text

    assert "From the setting JOBS_NOTIFY" in page
    assert "n@example.org" in page
    assert "queue ai" in page


def test_a_test_message_goes_to_the_saved_target(boss: Client) -> None:
    rule = NotificationRule.objects.create(name="ops", channel="mail", target="ops@example.org")

    done = confirm(boss, reverse("admin:jobs_notificationrule_test", args=[rule.pk]))

    assert "Sent a test: ops." in told(done)
    assert mail.outbox[0].to == ["ops@example.org"]
    assert entry().action == "test notification rule"


def test_a_test_message_that_does_not_arrive_is_told_with_the_reason(boss: Client) -> None:
    with webhook() as box:
        box.status = 410
        rule = chat(target=box.url)
        done = confirm(boss, reverse("admin:jobs_notificationrule_test", args=[rule.pk]))

    assert "answered 410" in told(done)
    assert "s3cret" not in told(done)
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("page", ["add", "change", "delete", "test"])
def test_a_viewer_changes_nothing(browser_of: BrowserOf, page: str) -> None:
    rule = chat()
    arguments = [] if page == "add" else [rule.pk]
    browser = browser_of("view_notificationrule")

    done = browser.post(
        reverse(f"admin:jobs_notificationrule_{page}", args=arguments),
        {**FORM, "post": "yes", "confirmed": "yes"},
    )

    assert done.status_code == 403
    assert NotificationRule.objects.get().name == "chat"
    assert not AuditEntry.objects.exists()
