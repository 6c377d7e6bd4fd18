"""Failures are counted into their groups in the transaction that writes them."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.ledger import Ledger, connect, ledger
from jobs.ledger.moments import moment
from jobs.models import FailedJob, FailureGroup, GroupStatus, Job, NotificationRule
from tests.jobs.claims import end_of
from tests.jobs.failing import DEFINITION, TELL, fail, failed, jobs_of, resolved_long_ago
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_thousand_failures_of_three_causes_are_three_groups(book: Ledger) -> None:
    texts = ("order {} was declined", "no answer after {} s", "unknown customer '{}'")
    messages = [texts[number % 3].format(number) for number in range(2000)]

    for start in range(0, 2000, 500):
        fail(book, messages[start : start + 500])

    groups = list(FailureGroup.objects.order_by("message"))
    assert [(group.message, group.count) for group in groups] == [
        ("no answer after ? s", 667),
        ("order ? was declined", 667),
        ("unknown customer ?", 666),
    ]
    for group in groups:
        assert FailedJob.objects.filter(fingerprint=group.pk).count() == group.count
        assert (group.exception_class, group.site) == (
            "shop.errors.Declined",
            "shop/orders.py in charge",
        )
        assert (group.definition, group.queue, group.status) == (DEFINITION, "default", "open")
        assert group.opening is not None


def test_a_group_keeps_what_its_first_failure_was_and_the_time_of_the_last(book: Ledger) -> None:
    fail(book, ["order 1 was declined"], queue="low")
    first = FailureGroup.objects.get()
    assert first.first_seen == first.last_seen == FailedJob.objects.get().failed_at

    fail(book, ["order 2 was declined"], definition="tests.jobs.sample_jobs.fails")

    group = FailureGroup.objects.get()
    assert (group.count, group.queue, group.definition) == (2, "low", DEFINITION)
    assert group.first_seen == first.first_seen
    assert group.last_seen == FailedJob.objects.latest("failed_at").failed_at > first.last_seen
    assert group.opening == first.opening


def test_of_a_batch_the_first_and_last_failure_are_found_in_whatever_order_they_come(
    book: Ledger,
) -> None:
    claimed = jobs_of(book, 3)
    outcomes = [failed(job) for job in claimed]
    for outcome, second in zip(outcomes, (2, 0, 1), strict=True):
        outcome.finished += second * 1_000_000

    book.complete(outcomes)

    group = FailureGroup.objects.get()
    assert group.first_seen == moment(outcomes[1].finished)
    assert group.last_seen == moment(outcomes[0].finished)


def test_text_that_no_database_takes_is_written_as_escapes(book: Ledger) -> None:
    fail(book, ["nul \x00 and \ud800"])

    assert FailureGroup.objects.get().message == "nul \\x00 and \\ud800"


def test_a_resolved_group_that_fails_again_is_open_and_counts_it(book: Ledger) -> None:
    fail(book)
    before = FailureGroup.objects.get()
    resolved_long_ago()

    fail(book)

    group = FailureGroup.objects.get()
    assert (group.status, group.reopened, group.count) == (GroupStatus.OPEN, 1, 2)
    assert group.opening not in (None, before.opening)
    assert group.resolved_by == "ada"
    fail(book)
    assert FailureGroup.objects.get().reopened == 1


def test_a_group_tells_with_which_release_its_failures_began(book: Ledger, settings: Any) -> None:
    settings.JOBS_RELEASE = "v1"
    fail(book, ["order 1 was declined"])
    settings.JOBS_RELEASE = "v2"
    fail(book, ["order 2 was declined"])
    group = FailureGroup.objects.get()
    assert (group.count, group.release) == (2, "v1")

    resolved_long_ago()
    settings.JOBS_RELEASE = "v3"
    fail(book, ["order 3 was declined"])
    group.refresh_from_db()
    assert (group.reopened, group.release) == (1, "v3")


def test_what_failed_before_the_resolution_does_not_open_the_group_when_it_is_written(
    book: Ledger,
) -> None:
    fail(book)
    (late,) = jobs_of(book, 1)
    FailureGroup.objects.update(
        status=GroupStatus.RESOLVED, resolved_at=timezone.now() + dt.timedelta(minutes=1)
    )

    book.complete([failed(late)])

    group = FailureGroup.objects.get()
    assert (group.status, group.count) == (GroupStatus.RESOLVED, 2)


@pytest.mark.parametrize(
    ("until", "status"),
    [(None, "muted"), (dt.timedelta(hours=1), "muted"), (dt.timedelta(hours=-1), "open")],
)
def test_a_muted_group_stays_muted_until_its_time_is_over(
    book: Ledger, until: dt.timedelta | None, status: str
) -> None:
    fail(book)
    before = FailureGroup.objects.get()
    end = timezone.now() + until if until else None
    FailureGroup.objects.update(status=GroupStatus.MUTED, muted_until=end)

    fail(book)

    group = FailureGroup.objects.get()
    assert (group.status, group.count, group.reopened) == (status, 2, 0)
    assert (group.opening == before.opening) == (status == "muted")
    assert group.muted_until == (end if status == "muted" else None)


def test_a_failure_whose_writing_is_rolled_back_is_not_counted(
    book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(book)
    NotificationRule.objects.create(name="ops", channel="log")
    resolved_long_ago()
    (job,) = jobs_of(book, 1)

    def refuse(jobs: Any) -> Any:
        raise RuntimeError("no more jobs")

    monkeypatch.setattr(book, "insert", refuse)
    with pytest.raises(RuntimeError):
        book.complete([failed(job)])

    group = FailureGroup.objects.get()
    assert (group.count, group.status, FailedJob.objects.count()) == (1, "resolved", 1)


def test_a_batch_of_failures_takes_as_many_statements_as_a_single_one(book: Ledger) -> None:
    counts = []
    for size in (1, 40):
        claimed = jobs_of(book, size)
        outcomes = [failed(job, f"cause {chr(65 + n % 26)}") for n, job in enumerate(claimed)]
        FailureGroup.objects.all().delete()
        with CaptureQueriesContext(connection) as seen:
            book.complete(outcomes)
        counts.append(len(seen))
        assert len([one for one in seen if "jobs_failuregroup" in one["sql"]]) == 1
    assert counts[0] == counts[1]


def test_successes_do_not_touch_groups(book: Ledger) -> None:
    claimed = jobs_of(book, 5)

    with CaptureQueriesContext(connection) as seen:
        book.complete([end_of(job) for job in claimed])

    assert not [one["sql"] for one in seen if "failuregroup" in one["sql"]]


def test_an_attempt_that_will_be_repeated_is_no_failure(book: Ledger) -> None:
    (job,) = jobs_of(book, 1)

    book.complete([end_of(job, "scheduled", delay=5.0, exception_class="E", is_exception=True)])

    assert not FailureGroup.objects.exists()


def test_who_listens_is_told_once_for_each_opening_by_a_job(book: Ledger) -> None:
    NotificationRule.objects.create(name="ops", channel="log")

    completion = fail(book, ["a bad card", "a bad card", "no stock"], queue="low")
    fail(book, ["a bad card"], queue="low")

    told = list(Job.objects.filter(definition=TELL))
    assert completion.enqueued_in == {"low"}
    openings = {(group.pk, str(group.opening)) for group in FailureGroup.objects.all()}
    assert {
        (job.arguments["kwargs"]["fingerprint"], job.arguments["kwargs"]["opening"]) for job in told
    } == openings
    assert {(job.queue, job.priority, job.state) for job in told} == {("low", 100, "ready")}


@pytest.mark.parametrize("enabled", [None, False])
def test_where_nobody_listens_there_is_no_job_for_it(book: Ledger, enabled: bool | None) -> None:
    if enabled is not None:
        NotificationRule.objects.create(name="ops", channel="log", enabled=enabled)

    completion = fail(book)

    assert completion.enqueued_in == set()
    assert not Job.objects.filter(definition=TELL).exists()


def test_a_rule_in_the_settings_listens_too_even_one_that_is_wrong(
    book: Ledger, settings: Any
) -> None:
    """A wrong setting must not keep a failure from being written."""
    settings.JOBS_NOTIFY = {"ops": {"channel": "pigeon"}}

    assert fail(book).enqueued_in == {"default"}


@pytest.mark.postgresql
def test_failures_of_two_workers_at_once_lose_no_count(
    book: Ledger,
) -> None:
    """Each batch has both groups, in opposite orders."""
    rounds, start, troubles = 30, threading.Barrier(2), list[BaseException]()
    shares = [jobs_of(book, 2 * rounds, worker_id=number) for number in (1, 2)]

    def work(number: int) -> None:
        own = connect()
        try:
            mine, messages = ledger(own), ["a bad card", "no stock"][:: 1 - 2 * number]
            start.wait(timeout=30)
            for place in range(0, 2 * rounds, 2):
                pair = shares[number][place : place + 2]
                mine.complete([failed(job, text) for job, text in zip(pair, messages, strict=True)])
        except BaseException as error:
            troubles.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert not troubles
    assert list(FailureGroup.objects.values_list("count", flat=True)) == [2 * rounds] * 2
    assert FailedJob.objects.count() == 4 * rounds


@pytest.mark.postgresql
@pytest.mark.parametrize("messages", [["a bad card", "no stock"], ["no stock", "a bad card"]])
def test_groups_are_taken_in_the_order_of_their_fingerprints_whatever_that_of_the_failures(
    book: Ledger, messages: list[str]
) -> None:
    """Two batches that take the same groups in opposite orders would wait for each other. One that
    waits for its first group holds no other, and then counts on from what it has waited for."""
    fail(book, messages)
    first, second = FailureGroup.objects.order_by("pk").values_list("pk", flat=True)
    ends = [failed(job, text) for job, text in zip(jobs_of(book, 2), messages, strict=True)]
    done = threading.Event()

    def work() -> None:
        own = connect()
        try:
            ledger(own).complete(ends)
            done.set()
        finally:
            own.close()

    other = connect()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            add = "UPDATE jobs_failuregroup SET count = count + 10 WHERE fingerprint = %s"
            cursor.execute(add, [first])
            thread = threading.Thread(target=work)
            thread.start()
            wait_until(_somebody_waits_for_a_lock)
            with transaction.atomic():
                # Raises where the batch holds it.
                FailureGroup.objects.select_for_update(nowait=True).get(pk=second)
            assert not done.is_set()
            cursor.execute("COMMIT")
        assert done.wait(timeout=30)
        thread.join(timeout=30)
    finally:
        other.close()
    assert list(FailureGroup.objects.order_by("pk").values_list("count", flat=True)) == [12, 2]


def _somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return bool(cursor.fetchone()[0])


def test_groups_of_old_are_made_anew_when_they_fail_again(book: Ledger) -> None:
    fail(book)
    FailureGroup.objects.all().delete()

    fail(book)

    assert FailureGroup.objects.get().count == 1
