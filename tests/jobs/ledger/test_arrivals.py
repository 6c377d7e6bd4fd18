"""How jobs arrive in the ledger: by whichever way, the same rows, all of them or none."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.dispatch import NewJob, insert
from jobs.identifiers import uuid7s
from jobs.ledger import Ledger, connect, ledger
from jobs.models import Job, JobState, JobTag
from tests.jobs import sample_jobs
from tests.support.waiting import wait_until

NAME = "tests.jobs.sample_jobs.add"
OF_A_ROW = ("id", "enqueued_at", "arguments")

letters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])


def new(**options: Any) -> NewJob:
    return NewJob(**{"definition": NAME, "queue": "default", "arguments": {}, **options})


def arrive(book: Ledger, job: NewJob, *payloads: dict[str, Any]) -> list[UUID]:
    ids = uuid7s(len(payloads))
    texts = [json.dumps(payload) for payload in payloads]
    book.insert_alike(job, dict(zip(ids, texts, strict=True)))
    return ids


def rows_of(ids: list[UUID]) -> list[dict[str, Any]]:
    """The rows of these jobs, without what is each one's own."""
    found = Job.objects.filter(id__in=ids).order_by("id").values()
    return [{key: row[key] for key in row if key not in OF_A_ROW} for row in found]


DAY = dt.datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=dt.timezone(dt.timedelta(hours=5)))
KINDS = [
    {},
    {"priority": -100},
    {"deadline": DAY, "retry_until": DAY + dt.timedelta(days=1)},
    {"options": {"max_attempts": 3, "backoff": [1, 2], "note": 'a \\ and a "quote"\n'}},
    {"queue": "tabs\tand\\backslashes\nand 'quotes'", "definition": "größe.😀"},
    {"retry_of": UUID(int=1), "schedule_id": 7, "slot_at": DAY, "chain": UUID(int=2)},
    {"due_at": DAY},
    {"due_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)},
    {"delay": dt.timedelta(minutes=5)},
    {"chain": UUID(int=2), "follows_id": UUID(int=3)},
]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind) or "plain")
def test_every_way_makes_the_same_row(kind: dict[str, Any]) -> None:
    payload = {"args": [1], "kwargs": {}}
    with transaction.atomic():
        alike = arrive(ledger(), new(**kind), payload, payload)
        together = insert([new(arguments=payload, **kind), new(arguments=payload, **kind)])
        alone = insert([new(arguments=payload, **kind)])
    rows = rows_of([*alike, *together, *alone])
    for row in rows:
        # The database's clock stands still only inside a statement.
        if kind.get("delay"):
            row.pop("due_at")
    assert rows == [rows[0]] * 5


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.dictionaries(st.text(letters), st.text(letters)), min_size=1, max_size=5))
def test_arguments_arrive_as_they_were(db: None, given: list[dict[str, str]]) -> None:
    payloads = [{"args": [], "kwargs": kwargs} for kwargs in given]
    ids = arrive(ledger(), new(), *payloads)
    found = Job.objects.filter(id__in=ids).order_by("id")
    assert [job.arguments for job in found] == payloads


@pytest.mark.django_db(transaction=True)
def test_an_arrival_is_told_by_the_databases_clock() -> None:
    book = ledger()
    before = book.now()
    ids = arrive(book, new(), *[{"args": [n], "kwargs": {}} for n in range(20)])
    alone = book.insert([new()])
    after = book.now()
    times = list(Job.objects.filter(id__in=ids).values_list("enqueued_at", flat=True))
    assert len(times) == 20
    assert before <= min(times) <= max(times) <= after
    (told,) = alone.values()
    assert Job.objects.get(id__in=alone).enqueued_at == told
    assert before <= told <= after


@pytest.mark.django_db
def test_tags_of_jobs_that_are_alike_are_those_of_each() -> None:
    arrive(ledger(), new(tags=("red", "blue")), *[{"args": [n], "kwargs": {}} for n in range(3)])
    assert JobTag.objects.count() == 6
    assert all(
        sorted(job.tags.values_list("name", flat=True)) == ["blue", "red"]
        for job in Job.objects.all()
    )


@pytest.mark.django_db(transaction=True)
def test_they_are_rolled_back_with_the_callers_transaction() -> None:
    with transaction.atomic():
        assert len(sample_jobs.add.enqueue_many(range(5))) == 5
        assert Job.objects.count() == 5
        transaction.set_rollback(True)
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("tags", [(), ("red",)])
def test_a_row_that_the_database_refuses_takes_all_with_it_and_nothing_of_the_callers(
    tags: tuple[str, ...],
) -> None:
    book = ledger()
    (kept,) = insert([new()])
    calls = dict.fromkeys([*uuid7s(2500), kept], '{"args":[],"kwargs":{}}')
    with transaction.atomic():
        (mine,) = insert([new()])
        with pytest.raises(IntegrityError), transaction.atomic():
            book.insert_alike(new(tags=tags), calls)
        assert Job.objects.count() == 2
    with pytest.raises(IntegrityError):
        book.insert_alike(new(tags=tags), calls)
    with pytest.raises(IntegrityError):
        book.insert([new(id=job_id, tags=tags) for job_id in calls])
    assert set(Job.objects.values_list("id", flat=True)) == {kept, mine}


@pytest.mark.django_db
def test_the_rules_of_the_table_hold_for_jobs_that_are_alike() -> None:
    with pytest.raises(IntegrityError, match="jobs_job_priority"), transaction.atomic():
        arrive(ledger(), new(priority=101), {"args": [], "kwargs": {}})


@pytest.mark.django_db
def test_a_broken_transaction_takes_no_jobs() -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            sample_jobs.add.enqueue_many([1, 2])
        transaction.set_rollback(False)


@pytest.mark.django_db
def test_calls_may_be_made_by_queries_on_the_same_connection() -> None:
    insert([new(), new(), new()])
    numbers = (Job.objects.filter(pk=job.pk).count() for job in Job.objects.iterator(chunk_size=1))
    assert len(sample_jobs.add.enqueue_many(numbers)) == 3


@pytest.mark.django_db
def test_whoever_wraps_the_execution_of_statements_sees_them_all() -> None:
    seen = []

    def wrapper(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(wrapper):
        sample_jobs.add.enqueue_many(range(3))
    assert any("INSERT INTO jobs_job" in sql for sql in seen)
    assert Job.objects.count() == 3


@pytest.mark.django_db
def test_a_wrapped_cursor_is_not_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    executed = []

    class Recording(CursorWrapper):
        def execute(self, sql: Any, params: Any = None) -> Any:
            executed.append(sql)
            return super().execute(sql, params)

    monkeypatch.setattr(connection, "make_cursor", lambda cursor: Recording(cursor, connection))
    sample_jobs.add.enqueue_many(range(3))
    assert any("INSERT INTO jobs_job" in sql for sql in executed)
    monkeypatch.undo()
    assert Job.objects.count() == 3


@pytest.mark.django_db
@pytest.mark.postgresql
def test_many_that_are_alike_are_copied_and_djangos_log_of_queries_tells() -> None:
    with CaptureQueriesContext(connection) as queries:
        sample_jobs.add.enqueue_many(range(3))
    assert [query["sql"].split()[0] for query in queries] == ["COPY"]


@pytest.mark.django_db
def test_what_has_to_wait_is_scheduled_by_the_databases_clock() -> None:
    soon = sample_jobs.add.using(run_after=timezone.now() + dt.timedelta(hours=1))
    past = sample_jobs.add.using(run_after=timezone.now() - dt.timedelta(hours=1))
    later, now = soon.enqueue_many([1, 2]), past.enqueue_many([3, 4])
    assert {job.state for job in Job.objects.filter(id__in=later)} == {JobState.SCHEDULED}
    assert {job.state for job in Job.objects.filter(id__in=now)} == {JobState.READY}


@pytest.mark.django_db(transaction=True)
def test_a_ledger_with_a_connection_of_its_own_takes_them_too() -> None:
    own = connect()
    try:
        book = ledger(own)
        payload = {"args": [1], "kwargs": {}}
        ids = arrive(book, new(tags=("red",)), payload, payload)
        ids += book.insert([new(arguments=payload)])
    finally:
        own.close()
    assert set(Job.objects.values_list("id", flat=True)) == set(ids)


@pytest.mark.django_db(transaction=True)
def test_nobody_sees_a_part_of_them() -> None:
    """Several statements of one insertion are committed at once."""
    own = connect()
    try:
        seen: set[int] = set()
        with own.execute_wrapper(lambda *call: _count_and_execute(seen, *call)):
            ledger(own).insert([new() for _ in range(2500)])
    finally:
        own.close()
    assert seen == {0}
    wait_until(lambda: Job.objects.count() == 2500)


def _count_and_execute(seen: set[int], execute: Any, *call: Any) -> Any:
    done = execute(*call)
    if "INSERT" in call[0]:
        seen.add(Job.objects.count())
    return done
