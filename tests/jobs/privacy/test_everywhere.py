"""Secrets are planted in every way that a job has, and looked for in every place there is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs import events
from jobs.audit import Actor
from jobs.compat import task_enqueued, task_finished, task_started
from jobs.execution import rescue
from jobs.failures import redrive
from jobs.identifiers import uuid7
from jobs.ledger import Ledger
from jobs.models import Attempt, AuditEntry, FailedJob, Job, JobLog, JobSchedule, JobState
from jobs.schedules import Every, declare
from jobs.scheduling import declarations, running, tick
from jobs.scheduling.declared import create_missing, differences
from jobs.transports.sync import run_due
from tests.jobs.commands.conftest import Ran
from tests.jobs.privacy import secret_jobs
from tests.jobs.privacy.conftest import quietly, secrets_in, stored
from tests.jobs.privacy.secret_jobs import CARD, CORE, TOKEN

pytestmark = pytest.mark.django_db(transaction=True)
CHARGE = secret_jobs.charge.path


@pytest.fixture
def declared() -> Iterator[str]:
    """A schedule in the code that has a secret among its arguments."""
    name = "privacy: charge"
    declare(name, definition=CHARGE, rule=Every(hours=1), arguments={"how": "well", "token": TOKEN})
    yield name
    declarations._declarations.pop(name)


@pytest.fixture
def received() -> Iterator[list[str]]:
    """What receivers of the engine's and of the framework's signals were told, as text."""
    told: list[str] = []

    def receive(**facts: Any) -> None:
        result = facts.get("task_result")
        if result is not None:
            told.append(f"{result.args} {result.kwargs} {result.errors} {result._return_value}")
        told.append(repr(facts))

    signals = [
        *(value for name, value in vars(events).items() if name.startswith("job_")),
        task_enqueued,
        task_started,
        task_finished,
    ]
    for signal in signals:
        signal.connect(receive, weak=False)
    yield told
    for signal in signals:
        signal.disconnect(receive)


def live(book: Ledger, boss: Client, run: Callable[..., Ran], declared: str) -> list[str]:
    """Enqueue jobs in every way, and let them end in every way; return what was answered."""
    answers: list[str] = []
    for how in ("well", "fails", "fails once", "release", "give up"):
        result = secret_jobs.charge.enqueue(how, TOKEN, card=CARD)
        answers.append(f"{result!r} {result.args} {result.kwargs}")
    secret_jobs.charge.enqueue_many([{"how": "well", "token": TOKEN, "card": CARD}])
    secret_jobs.charge.using(run_after=dt.timedelta(hours=1)).enqueue("well", TOKEN)
    secret_jobs.charge.using(run_after=dt.timedelta(hours=1)).enqueue_many([("well", TOKEN)])
    secret_jobs.fails_in_groups.enqueue(TOKEN)
    secret_jobs.collects.enqueue("a", TOKEN, extra=CARD)
    secret_jobs.plain_task.enqueue(token=TOKEN)
    secret_jobs.tells.enqueue(TOKEN)
    # A worker dies in the middle of all of them.
    assert len(book.claim(worker_id=7, queues=["default"], limit=100)) == 10
    rescue.rescue(book, [7], detail="signal 9")
    run_due()
    for how in ("fails once", "release"):
        secret_jobs.charge.enqueue(how, TOKEN, card=CARD)
    run_due()
    answers.append(repr(redrive.retry(FailedJob.objects.all(), Actor.of_code("test"))))
    schedule = JobSchedule.objects.create(
        name="by code",
        definition=CHARGE,
        arguments={"args": ["well", TOKEN], "kwargs": {"card": CARD}},
        kind="interval",
        every=dt.timedelta(hours=1),
    )
    running.run_now(schedule, Actor.of_code("test"))
    due = timezone.now() - dt.timedelta(seconds=1)
    JobSchedule.objects.filter(pk=schedule.pk).update(next_run_at=due)
    tick.run_once()
    answers += [run("schedule_sync").out, run("schedule_run", declared).out]
    with quietly():
        JobSchedule.objects.filter(name=declared).update(
            arguments={"args": [], "kwargs": {"how": "well", "token": f"other {TOKEN}"}}
        )
    answers += [run("schedule_sync").out, run("schedule_sync", "--json").out]
    answers.append(run("schedule_sync", "--apply", declared).out)
    answers += by_forms(boss)
    run_due()
    return answers


def by_forms(boss: Client) -> list[str]:
    """What the forms of the admin answer, and the pages after them."""
    card = '{"number": "4111-' + CORE + '"}'
    arguments = {"argument-how": "well", "argument-token": TOKEN, "argument-card": card}
    dispatch = reverse("admin:jobs_job_dispatch") + f"?definition={CHARGE}"
    wrong = boss.post(dispatch, {**arguments, "job_id": str(uuid7()), "priority": "1000"})
    assert wrong.status_code == 200
    done = boss.post(dispatch, {**arguments, "job_id": str(uuid7())}, follow=True)
    assert Job.objects.filter(arguments__kwargs__how="well").exists(), done.content.decode()
    rule = {
        "name": "by form", "definition": CHARGE, "enabled": "on", "kind": "interval",
        "every": "01:00:00", "timezone": "UTC", "dst_gap": "skip", "dst_overlap": "once",
        "missed": "once", "missed_limit": "1", "grace": "60", "jitter": "0",
        "arguments-of": CHARGE,
    }  # fmt: skip
    add = reverse("admin:jobs_jobschedule_add")
    loaded = boss.post(add, {**rule, **arguments, "_load_arguments": "1"})
    other = {**rule, **arguments, "definition": secret_jobs.trusting.path, "_load_arguments": "1"}
    carried = boss.post(add, other)
    refused = boss.post(add, {**rule, **arguments, "every": "nonsense"})
    saved = boss.post(add, {**rule, **arguments}, follow=True)
    assert JobSchedule.objects.filter(name="by form").exists(), saved.content.decode()
    page = reverse(
        "admin:jobs_jobschedule_change", args=[JobSchedule.objects.get(name="by form").pk]
    )
    changed = boss.post(page, {**rule, "argument-how": "release", "every": "02:00:00"}, follow=True)
    pages = (wrong, done, loaded, carried, refused, saved, changed)
    return [response.content.decode() for response in pages]


def pages_of(boss: Client) -> dict[str, str]:
    """Every page of the admin about these objects."""
    addresses = [
        *(reverse(f"admin:jobs_{noun}_changelist") for noun in ("job", "failedjob", "jobschedule")),
        reverse("admin:jobs_auditentry_changelist"),
        reverse("admin:jobs_job_changelist") + f"?q={CHARGE}",
        *(reverse("admin:jobs_job_change", args=[job.pk]) for job in Job.objects.all()),
        *(reverse("admin:jobs_failedjob_change", args=[one.pk]) for one in FailedJob.objects.all()),
        *(reverse("admin:jobs_auditentry_change", args=[e.pk]) for e in AuditEntry.objects.all()),
        *(
            reverse("admin:jobs_jobschedule_change", args=[schedule.pk])
            for schedule in JobSchedule.objects.all()
        ),
        *(
            reverse("admin:jobs_job_dispatch") + f"?definition={CHARGE}&like={job.pk}"
            for job in Job.objects.filter(definition=CHARGE)
        ),
    ]
    found = {}
    for address in addresses:
        response = boss.get(address)
        assert response.status_code == 200, address
        found[address] = response.content.decode()
    return found


def printed(run: Callable[..., Ran]) -> dict[str, str]:
    """What every command that looks prints, for people and as JSON."""
    commands: list[tuple[str, ...]] = [
        ("queue_list", "default"), ("queue_list",), ("queue_failed",), ("queue_status",),
        ("schedule_list",), ("schedule_sync", "--check"), ("queue_retry", "--all", "--dry-run"),
        ("queue_rotate_keys", "--dry-run"),
        *(("queue_failed", str(failed.pk)) for failed in FailedJob.objects.all()),
    ]  # fmt: skip
    found = {}
    for command in commands:
        for words in (command, (*command, "--json")):
            ran = run(*words)
            found[" ".join(words)] = ran.out + ran.error
    return found


def test_no_secret_comes_to_light_anywhere(
    book: Ledger,
    boss: Client,
    run: Callable[..., Ran],
    calls: list[Any],
    declared: str,
    received: list[str],
    logged: Callable[[], str],
) -> None:
    answers = live(book, boss, run, declared)
    # The functions got what they were called with, and said all they could.
    charged = [call for call in calls if call[0] in ("well", "fails", "fails once", "release")]
    assert {how for how, *_ in charged} == {"well", "fails", "fails once", "release"}
    assert {token for _, token, _ in charged} <= {TOKEN, f"other {TOKEN}"}
    assert JobLog.objects.filter(message__contains="********").count() > 5
    assert Attempt.objects.filter(outcome="lost").count() == 10
    assert Attempt.objects.filter(traceback__contains="********").count() > 3
    assert Job.objects.filter(result__plain="visible").count() > 4
    assert Job.objects.filter(progress__message__icontains="********").exists()
    assert not Job.objects.in_state(JobState.READY).exists()
    looked_at = {
        "the database": stored(),
        "answers": "\n".join(answers),
        "signals": "\n".join(received),
        **pages_of(boss),
        **printed(run),
        "results": "\n".join(_result(job) for job in Job.objects.all()),
    }
    looked_at["the log"] = logged()
    found = {place: lines for place, text in looked_at.items() if (lines := secrets_in(text))}
    assert not found
    assert len(looked_at) > 60
    # Where people look there is the mask, and no ciphertext either, which audit entries would keep
    # for longer than its key.
    audited = repr(list(AuditEntry.objects.values_list("target", "before", "after", "reason")))
    for place, text in {**pages_of(boss), **printed(run), "audit": audited}.items():
        assert "$encrypted" not in text, place
    assert "$encrypted" not in looked_at["answers"]


def test_the_search_finds_a_secret_where_there_is_one() -> None:
    from django.contrib.auth.models import Group

    Group.objects.create(name=f"group {TOKEN}")
    Job.objects.create(
        definition=CHARGE, queue="q", claim_rank=0, arguments={"args": [CARD], "kwargs": {}}
    )
    assert len(secrets_in(stored())) == 2


def _result(job: Job) -> str:
    from jobs.results import result_of

    result = result_of(job.pk)
    return f"{result.args} {result.kwargs} {result.errors} {result._return_value}"


def test_a_declared_schedule_does_not_differ_for_being_encrypted(declared: str) -> None:
    create_missing()
    assert declared not in {found.name for found in differences()}
    schedule = JobSchedule.objects.get(name=declared)
    schedule.arguments["kwargs"]["token"] = "another-token"
    schedule.save()
    (found,) = [found for found in differences() if found.name == declared]
    assert (found.field, found.declared) == ("arguments", found.stored)


def test_failures_of_one_cause_stay_together_whatever_their_secrets() -> None:
    for token in ("first-secret", "second-secret"):
        secret_jobs.charge.enqueue("give up", token)
    run_due()
    assert FailedJob.objects.values("fingerprint").distinct().count() == 1
    assert FailedJob.objects.values_list("message", flat=True).distinct().get() == (
        "gave up on ********"
    )


def test_what_is_not_secret_is_told_as_ever() -> None:
    secret_jobs.charge.enqueue("fails", "some-token", card={"name": "Ada Lovelace"})
    run_due()
    run_due()
    failed = FailedJob.objects.get()
    assert failed.exception_class.endswith("Declined")
    assert "the bank declined" in failed.message
    assert "secret_jobs.py" in failed.traceback
    assert "in charge" in failed.traceback
