"""How the ledger's tables are stored: parameters, indexes, and what migrations make of a site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from jobs.dispatch import NewJob, insert
from jobs.ledger import Ledger, connect
from jobs.ledger.moments import microseconds
from jobs.ledger.outcome import Outcome
from jobs.models import Attempt, Cluster, Job, JobState
from jobs.models.job import JobQuerySet
from tests.jobs.factories import many_jobs

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "tests.jobs.sample_jobs.add"
TENDED = {"jobs_job", "jobs_attempt", "jobs_jobtag", "jobs_joblog", "jobs_failedjob"}
BEATING = {"jobs_cluster", "jobs_worker", "jobs_lease", "jobs_queue"}


@pytest.fixture
def newest_migration_afterwards() -> Iterator[None]:
    """Whatever happens."""
    yield
    call_command("migrate", "jobs", verbosity=0)


def new_job() -> NewJob:
    return NewJob(definition=NAME, queue="default", arguments={"args": [1], "kwargs": {}})


def run_one(book: Ledger) -> None:
    (claimed,) = book.claim(worker_id=7, queues=["default"], limit=1)
    now = microseconds(timezone.now())
    outcome = Outcome(
        job=claimed, outcome="succeeded", state="succeeded", started=now, finished=now
    )
    book.complete([outcome])


def storage_parameters() -> dict[str, list[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, reloptions FROM pg_class WHERE relname LIKE 'jobs\\_%%'")
        return {name: options for name, options in cursor.fetchall() if options}


def test_what_a_site_has_survives_the_migrations_to_the_first_and_to_the_newest(
    book: Ledger, newest_migration_afterwards: None
) -> None:
    insert([new_job(), new_job()])
    run_one(book)

    for target in ("0001", None):
        call_command("migrate", "jobs", *([target] if target else []), verbosity=0)

        assert sorted(Job.objects.values_list("state", flat=True)) == ["ready", "succeeded"]
        assert Attempt.objects.get().fence == 1
    run_one(book)
    assert Attempt.objects.count() == 2


@pytest.mark.postgresql
def test_tables_are_tended_by_their_own_parameters_until_the_migration_is_undone() -> None:
    set_now = storage_parameters()
    assert {name for name, given in set_now.items() if "autovacuum" in str(given)} == TENDED
    assert {name for name, given in set_now.items() if "fillfactor" in str(given)} == BEATING

    call_command("migrate", "jobs", "0001", verbosity=0)
    undone = storage_parameters()
    call_command("migrate", "jobs", verbosity=0)

    assert undone == {}
    assert storage_parameters() == set_now


@pytest.mark.postgresql
def test_heartbeats_write_no_index_entries(book: Ledger) -> None:
    cluster = Cluster.objects.create(
        id="0190a5f0-0000-7000-8000-000000000001", name="one", host="here", pid=1
    )
    updated_before, without_index_before = updates_of_clusters()
    for _ in range(20):
        book.heartbeat(cluster.pk)
    updated, without_index = updates_of_clusters()

    assert updated - updated_before >= 20
    # A page that other sessions still look into may be full now and then.
    assert without_index - without_index_before >= 0.8 * (updated - updated_before)


def updates_of_clusters() -> tuple[int, int]:
    """All updates of the table so far, and those that wrote no index entries."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables "
            "WHERE relname = 'jobs_cluster'"
        )
        found: tuple[int, int] = cursor.fetchone()
    return found


def test_an_attempt_is_known_by_its_job_and_fence_alone(book: Ledger) -> None:
    insert([new_job()])
    run_one(book)

    job = Job.objects.get()
    assert Attempt.objects.get(pk=(job.pk, 1)).outcome == "succeeded"
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'jobs_attempt'")
            # The other one holds what was tried in vain.
            assert {row[0] for row in cursor.fetchall()} == {
                "jobs_attempt_pkey",
                "jobs_attempt_in_vain",
            }


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE jobs_job")
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {sql}")
        return str(cursor.fetchall())


@pytest.mark.parametrize(
    ("field", "value", "index"),
    [("queue", "ai", "jobs_job_queue"), ("definition", "a.b", "jobs_job_definition")],
)
@pytest.mark.parametrize("state", [JobState.READY, JobState.SUCCEEDED])
def test_an_index_leads_to_the_newest_of_a_queue_or_definition_in_each_state(
    field: str, value: str, index: str, state: JobState
) -> None:
    for other in (JobState.READY, JobState.SUCCEEDED):
        many_jobs(1500, state=other, enqueued_at=timezone.now())
        many_jobs(500, state=other, enqueued_at=timezone.now(), **{field: value})

    (part,) = Job.objects.filter(**{field: value}).by_state(state)
    sql, values = part.order_by("-enqueued_at", "-id").values("id")[:50].query.sql_with_params()
    quoted = sql % tuple(f"'{given}'" for given in values)
    plan = plan_of(quoted)

    assert index in plan
    assert "SORT" not in plan.upper()
    assert "TEMP" not in plan.upper()


def test_a_claim_takes_a_job_out_of_the_lists_by_queue_and_its_end_puts_it_back(
    book: Ledger,
) -> None:
    insert([new_job()])
    found = Job.objects.on_queues(["default"])

    assert [part.count() for part in found.by_state("ready", "running")] == [1, 0]
    book.claim(worker_id=7, queues=["default"], limit=1)
    assert [part.count() for part in found.by_state("ready", "running")] == [0, 1]
    assert sum(part.count() for part in found.by_state()) == 1


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("jobs", "index"),
    [
        (Job.objects.running().values("worker_id").distinct(), "jobs_job_running"),
        (Job.objects.ready().on_queues(["ai"]), "jobs_job_claim"),
        (Job.objects.unfinished().filter(schedule_id=7), "jobs_job_schedule_open"),
        (Job.objects.on_queues(["ai"]).by_state("succeeded")[0], "jobs_job_queue"),
    ],
)
def test_a_plan_that_is_made_before_its_values_are_known_can_use_the_partial_indexes(
    jobs: JobQuerySet, index: str
) -> None:
    sql, values = jobs.order_by().query.sql_with_params()
    for number in range(len(values)):
        sql = sql.replace("%s", f"${number + 1}", 1)
    given = f"({', '.join(['NULL'] * len(values))})" if values else ""
    planner = connect()
    try:
        with planner.cursor() as cursor:
            cursor.execute(f"PREPARE wanted AS {sql}")
            cursor.execute(f"EXPLAIN EXECUTE wanted{given}")
            plan = str(cursor.fetchall())
    finally:
        planner.close()

    assert index in plan


def test_what_is_no_state_finds_nothing() -> None:
    many_jobs(3)

    assert not Job.objects.in_state("'; --", "bogus").exists()
    assert Job.objects.in_state("bogus", "ready").count() == 3
