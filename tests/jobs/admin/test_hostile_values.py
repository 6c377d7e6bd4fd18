"""What comes from outside is shown as text, whatever it holds."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs.admin.display import MAX_TEXT
from jobs.admin.tracebacks import parts_of, readable
from jobs.models import (
    Attempt,
    AttemptOutcome,
    AuditEntry,
    JobLog,
    JobSchedule,
    JobState,
    JobTag,
    Queue,
    ScheduleSlot,
)
from tests.jobs.factories import FailedJobFactory, JobFactory, WorkerFactory, ago

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 }}{% now 'Y' %}"


def pages_of_evil_rows() -> list[str]:
    worker = WorkerFactory(
        host=EVIL, exit=EVIL, unknown_definitions=[EVIL], cluster__name=EVIL[:100],
        cluster__host=EVIL, cluster__queues=[EVIL], cluster__version=EVIL[:100],
    )  # fmt: skip
    failed = FailedJobFactory(
        definition=EVIL, queue="<b>evil</b>/x", message=EVIL, exception_class=EVIL, traceback=EVIL,
        arguments={"args": [EVIL], "kwargs": {EVIL: EVIL}}, tags=[EVIL], options={EVIL: EVIL},
    )  # fmt: skip
    schedule = JobSchedule.objects.create(
        name=EVIL, definition="tests.jobs.sample_jobs.add", cron="0 3 * * *",
        arguments={"args": [1], "kwargs": {}},
    )  # fmt: skip
    JobSchedule.objects.filter(pk=schedule.pk).update(
        definition=EVIL, last_error=EVIL, notes=EVIL, cron=EVIL, arguments={"kwargs": {EVIL: EVIL}}
    )
    job = JobFactory(
        definition=EVIL, queue="<b>evil</b>/x", state=JobState.SUCCEEDED, worker=worker,
        arguments={"args": [EVIL], "kwargs": {EVIL: EVIL}}, result={EVIL: EVIL},
        options={"backoff": EVIL}, schedule=schedule, slot_at=ago(minutes=1),
        progress={"done": EVIL, "total": EVIL, "message": EVIL},
    )  # fmt: skip
    JobTag.objects.create(job=job, name=EVIL)
    JobLog.objects.create(job=job, attempt=1, at=ago(seconds=1), message=EVIL, level="<i>")
    Attempt.objects.create(
        job=job, number=1, fence=1, worker=worker, started_at=ago(seconds=3),
        finished_at=ago(seconds=1), outcome=AttemptOutcome.FAILED, detail=EVIL,
        exception_class=EVIL, message=EVIL,
        traceback=f'  File "{EVIL}", line 1, in x\n    {EVIL}\n',
    )  # fmt: skip
    ScheduleSlot.objects.create(schedule=schedule, slot_at=job.slot_at, outcome="enqueued", job=job)
    entry = AuditEntry.objects.create(
        actor_name=EVIL, surface="<i>", action=EVIL[:50], target=EVIL, before={EVIL: EVIL},
        after={EVIL: EVIL}, reason=EVIL,
    )  # fmt: skip
    Queue.objects.create(name="<b>evil</b>/x", paused_at=ago(seconds=1), paused_reason=EVIL)
    rows: dict[str, Any] = {
        "job": job.pk, "failedjob": failed.pk, "jobschedule": schedule.pk, "worker": worker.pk,
        "cluster": worker.cluster_id, "auditentry": entry.pk, "queue": "_3Cb_3Eevil_3C_2Fb_3E_2Fx",
    }  # fmt: skip
    pages = [reverse(f"admin:jobs_{noun}_changelist") for noun in rows]
    pages += [reverse(f"admin:jobs_{noun}_change", args=[pk]) for noun, pk in rows.items()]
    pages += [
        reverse("admin:jobs_failedjob_flush_matching"),
        reverse("admin:jobs_failedjob_retry", args=[failed.pk]),
        reverse("admin:jobs_job_cancel", args=[JobFactory(definition=EVIL, queue="<b>").pk]),
        reverse("admin:jobs_jobschedule_run", args=[schedule.pk]),
        reverse("admin:app_list", args=["jobs"]),
    ]
    return pages


def test_no_page_lets_markup_through(boss: Client) -> None:
    for address in pages_of_evil_rows():
        page = boss.get(address)
        assert page.status_code == 200, address
        for markup in ("<script>alert", "<img src=x", "<b>evil", "<i>"):
            assert markup not in page.text, (address, markup)


@pytest.mark.parametrize("noun", ["job", "failedjob", "auditentry"])
@pytest.mark.parametrize("name", ["q", "tag", "queue", "state", "exception", "action"])
def test_no_filter_or_search_lets_markup_through(boss: Client, noun: str, name: str) -> None:
    page = boss.get(reverse(f"admin:jobs_{noun}_changelist"), {name: EVIL})

    assert page.status_code in (200, 400)
    assert "<script>alert" not in page.text


def test_messages_about_hostile_rows_let_no_markup_through(boss: Client) -> None:
    failed = FailedJobFactory(definition=EVIL)

    done = boss.post(
        reverse("admin:jobs_failedjob_retry", args=[failed.pk]), {"confirmed": "yes"}, follow=True
    )

    assert "refused" in done.text
    assert "<script>alert" not in done.text


def test_a_traceback_is_split_without_losing_a_character() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "/srv/shop/orders/jobs.py", line 3, in pay\n'
        "    charge(order)\n"
        '  File "/usr/lib/python3/site-packages/stripe/api.py", line 9, in charge\n'
        "    raise CardError\n"
        "stripe.CardError: declined\n"
        "\n"
        "During handling of the above exception, another exception occurred:\n"
        "\n"
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/srv/shop/orders/jobs.py", line 8, in tell\n'
        "  |     mail()\n"
    )

    parts = list(parts_of(text))

    assert "".join(part.text for part in parts) == text
    assert [part.kind for part in parts] == ["text", "site", "library", "text", "site"]


def test_a_huge_value_is_cut_and_says_so(boss: Client) -> None:
    job = JobFactory(arguments={"args": ["x" * (2 * MAX_TEXT)], "kwargs": {}})

    page = boss.get(reverse("admin:jobs_job_change", args=[job.pk])).text

    assert "more characters are not shown" in page
    assert len(page) < 1.5 * MAX_TEXT
    assert "characters are not shown" in readable("y" * (3 * MAX_TEXT))
