"""Forms of sensitive parameters: they show nothing, and keep what is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from jobs.admin.forms.arguments import ArgumentsForm
from jobs.identifiers import uuid7
from jobs.models import AuditEntry, Job, JobSchedule
from jobs.privacy.encryption import seal
from jobs.privacy.masking import MASK, masked
from jobs.privacy.sealing import opened
from tests.jobs.admin.conftest import BrowserOf
from tests.jobs.commands.conftest import Ran
from tests.jobs.factories import FailedJobFactory
from tests.jobs.privacy import secret_jobs

pytestmark = pytest.mark.django_db
CHARGE = secret_jobs.charge
WORD = "a-secret-word"


def stored(**kwargs: Any) -> dict[str, Any]:
    from jobs import arguments

    return arguments.encode(CHARGE, (), {"how": "well", "token": WORD, **kwargs})


def form_of(data: dict[str, str], payload: dict[str, Any] | None = None) -> ArgumentsForm:
    return ArgumentsForm(
        CHARGE, {f"argument-{name}": text for name, text in data.items()}, stored=payload
    )


def test_the_field_is_like_one_for_a_password() -> None:
    for form in (
        ArgumentsForm(CHARGE),
        ArgumentsForm(CHARGE, stored=stored(card={"number": WORD})),
        form_of({"how": "", "token": WORD, "card": f'{{"number": "{WORD}"}}'}),
        form_of({"how": "well", "token": WORD, "card": f"not JSON: {WORD}"}),
    ):
        page = str(form)
        assert page.count('type="password"') == 2
        assert WORD not in page
        assert "$encrypted" not in page


def test_an_empty_field_keeps_the_stored_value_and_a_filled_one_replaces_it() -> None:
    payload = stored(card={"number": WORD})
    kept = form_of({"how": "fails", "token": "", "card": ""}, payload)
    assert kept.is_valid(), kept.errors
    assert kept.payload["kwargs"] == {**payload["kwargs"], "how": "fails"}
    changed = form_of({"how": "fails", "token": "other-word", "card": ""}, payload)
    assert changed.is_valid(), changed.errors
    assert masked(None, changed.payload)["kwargs"]["token"] == MASK
    assert opened(changed.payload)["kwargs"] == {
        "how": "fails", "token": "other-word", "card": {"number": WORD}
    }  # fmt: skip


def test_without_a_stored_value_an_empty_field_is_the_default_or_refused() -> None:
    empty = form_of({"how": "well", "token": "", "card": ""})
    assert not empty.is_valid()
    assert list(empty.errors) == ["token"]
    given = form_of({"how": "well", "token": WORD, "card": ""})
    assert given.is_valid()
    assert opened(given.payload)["kwargs"] == {"how": "well", "token": WORD}


def test_a_default_is_not_shown_and_holds_where_nothing_is_typed() -> None:
    group = Group.objects.create(name="writers")
    data = {"argument-group": str(group.pk), "argument-mode": "", "argument-limit": ""}
    form = ArgumentsForm(secret_jobs.about, data)
    assert "fast" not in str(ArgumentsForm(secret_jobs.about))
    assert form.is_valid(), form.errors
    assert list(form.payload["kwargs"]) == ["group"]


def test_an_error_does_not_tell_what_was_typed() -> None:
    form = ArgumentsForm(secret_jobs.about, {"argument-group": WORD})
    assert not form.is_valid()
    assert WORD not in str(form)


def test_variadic_values_are_kept_too() -> None:
    from jobs import arguments

    payload = arguments.encode(secret_jobs.collects, ("a", WORD), {"extra": WORD})
    data = {"argument-first": "b", "argument-word": "w", "argument-rest": "", "argument-named": ""}
    form = ArgumentsForm(secret_jobs.collects, data, stored=payload)
    assert form.is_valid(), form.errors
    assert opened(form.payload) == {"args": ["b", WORD], "kwargs": {"extra": WORD}}
    assert WORD not in str(form)


def test_an_encrypted_value_cannot_be_typed() -> None:
    stolen = str(seal(WORD)).replace("'", '"')
    for definition, name in ((secret_jobs.collects, "named"), (CHARGE, "card")):
        data = {"argument-first": "a", "argument-how": "well", "argument-token": "x-token"}
        typed = f'{{"x": {stolen}}}' if name == "named" else stolen
        form = ArgumentsForm(definition, {**data, f"argument-{name}": typed})
        assert not form.is_valid()
        assert "is an encrypted value" in str(form.errors)


def test_what_was_typed_is_not_carried_to_the_form_of_another_definition() -> None:
    typed = {
        "argument-token": WORD, "argument-how": "well", "argument-card": WORD,
        "arguments-of": CHARGE.path,
    }  # fmt: skip
    page = str(ArgumentsForm(secret_jobs.trusting, typed=typed))
    assert WORD not in page
    assert "well" in page


def test_a_copy_is_dispatched_with_the_value_that_nobody_saw(browser_of: BrowserOf) -> None:
    browser = browser_of("view_job", "dispatch_job")
    CHARGE.enqueue("well", WORD)
    old = Job.objects.get()
    address = reverse("admin:jobs_job_dispatch") + f"?definition={CHARGE.path}&like={old.pk}"
    assert WORD not in browser.get(address).content.decode()
    browser.post(address, {"argument-how": "fails", "argument-token": "", "job_id": str(uuid7())})
    new = Job.objects.exclude(pk=old.pk).get()
    assert opened(new.arguments)["kwargs"] == {"how": "fails", "token": WORD}
    assert WORD not in str(AuditEntry.objects.get().after)


def test_a_schedule_keeps_its_value_when_another_field_changes(boss: Client) -> None:
    schedule = JobSchedule.objects.create(
        name="x", definition=CHARGE.path, cron="0 3 * * *",
        arguments={"args": [], "kwargs": {"how": "well", "token": WORD}},
    )  # fmt: skip
    page = reverse("admin:jobs_jobschedule_change", args=[schedule.pk])
    data = {
        "name": "y", "definition": CHARGE.path, "enabled": "on", "kind": "cron",
        "cron": "0 4 * * *", "timezone": "UTC", "dst_gap": "skip", "dst_overlap": "once",
        "missed": "once", "missed_limit": "1", "grace": "60", "jitter": "0",
        "arguments-of": CHARGE.path, "argument-how": "well", "argument-token": "",
    }  # fmt: skip
    answer = boss.post(page, data, follow=True)
    changed = JobSchedule.objects.get()
    assert changed.name == "y", answer.content.decode()
    assert opened(changed.arguments)["kwargs"] == {"how": "well", "token": WORD}
    entry = AuditEntry.objects.get()
    assert "arguments" not in entry.after
    boss.post(page, {**data, "argument-token": "another-word"})
    entry = AuditEntry.objects.latest("id")
    assert entry.after == {"arguments": {"args": [], "kwargs": {"how": "well", "token": MASK}}}


def test_what_no_longer_fits_is_shown_masked(boss: Client) -> None:
    sealed = {"args": [], "kwargs": {"how": "well", "gone": seal(WORD)}}
    schedule = JobSchedule.objects.create(
        name="x", definition=CHARGE.path, cron="0 3 * * *", arguments=sealed
    )
    address = reverse("admin:jobs_jobschedule_change", args=[schedule.pk])
    page = boss.get(address).content.decode()
    assert "no longer fit" in page
    assert f"&quot;gone&quot;: &quot;{MASK}&quot;" in page
    assert "$encrypted" not in page


@pytest.mark.parametrize("noun", ["job", "failedjob"])
def test_a_page_masks_what_was_stored_before_it_was_sensitive(boss: Client, noun: str) -> None:
    plain = {"args": ["well", WORD], "kwargs": {}}
    failed = FailedJobFactory(definition=CHARGE.path, arguments=plain, job__arguments=plain)
    pk = failed.job_id if noun == "job" else failed.pk
    page = boss.get(reverse(f"admin:jobs_{noun}_change", args=[pk])).content.decode()
    assert MASK in page
    assert WORD not in page


def test_commands_mask_what_was_stored_before_it_was_sensitive(run: Callable[..., Ran]) -> None:
    plain = {"args": ["well", WORD], "kwargs": {}}
    failed = FailedJobFactory(definition=CHARGE.path, arguments=plain, job__arguments=plain)
    for command in (("queue_list", "default"), ("queue_failed", str(failed.pk))):
        for words in (command, (*command, "--json")):
            ran = run(*words)
            assert (ran.code, WORD in ran.out) == (0, False)
        assert MASK in ran.out


def test_error_pages_do_not_tell_what_was_posted(boss: Client) -> None:
    for address in (
        reverse("admin:jobs_job_dispatch") + f"?definition={CHARGE.path}",
        reverse("admin:jobs_jobschedule_add"),
    ):
        request = boss.post(address, {"argument-token": WORD}).wsgi_request  # type: ignore[attr-defined]
        assert request.sensitive_post_parameters == "__ALL__"


def test_a_viewer_of_a_schedule_sees_the_mask(browser_of: BrowserOf) -> None:
    schedule = JobSchedule.objects.create(
        name="x", definition=CHARGE.path, cron="0 3 * * *",
        arguments={"args": [], "kwargs": {"how": "well", "token": WORD}},
    )  # fmt: skip
    plain = {"args": ["well", WORD], "kwargs": {}}
    for _ in range(2):
        page = reverse("admin:jobs_jobschedule_change", args=[schedule.pk])
        shown = browser_of("view_jobschedule").get(page).content.decode()
        assert MASK in shown
        assert WORD not in shown
        # And where it was stored before it was sensitive.
        JobSchedule.objects.filter(pk=schedule.pk).update(arguments=plain)
