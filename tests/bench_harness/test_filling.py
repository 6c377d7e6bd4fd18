"""What is filled in looks like the history of a real site, to the last column."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from jobs.models import Attempt, FailedJob, Job, JobTag, Worker
from tests.bench.fill import NOOP, fill
from tests.bench.filling.indexes import set_aside
from tests.bench.filling.loading import moment
from tests.bench.filling.made_up import Maker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

WANTED = {"succeeded": 300, "failed": 20, "cancelled": 5, "ready": 40, "scheduled": 30}


def test_there_are_so_many_jobs_of_each_state_as_were_asked_for() -> None:
    assert fill(WANTED, noops=7) == sum(WANTED.values()) + 7

    states = Counter(Job.objects.values_list("state", flat=True))
    assert states == {**WANTED, "ready": WANTED["ready"] + 7}
    assert JobTag.objects.exists()


def test_every_finished_job_has_its_attempts_and_every_failed_one_its_dead_letter() -> None:
    fill(WANTED)

    for job in Job.objects.filter(state__in=("succeeded", "failed")):
        last = job.attempt_records.latest("fence")
        assert (last.number, last.outcome) == (job.attempts, job.state)
        assert (last.started_at, last.finished_at) == (job.started_at, job.finished_at)
        assert job.enqueued_at < last.started_at <= last.finished_at
    assert Attempt.objects.filter(worker_id__in=Worker.objects.values("pk")).exists()
    assert set(FailedJob.objects.values_list("job_id", flat=True)) == set(
        Job.objects.filter(state="failed").values_list("pk", flat=True)
    )


def test_every_row_is_one_that_the_site_could_have_written() -> None:
    fill(WANTED)

    for model in (Job, FailedJob):
        for row in model.objects.all():
            row.full_clean(validate_unique=False)
    assert not Job.objects.filter(state="scheduled", due_at__lte=timezone.now()).exists()


def test_one_seed_makes_the_same_jobs_again() -> None:
    now = timezone.now()
    first, second = (
        list(Maker(now, 7, [1, 2], moment, seed=3).jobs("succeeded", 50)) for _ in range(2)
    )

    assert first == second
    ids = [UUID(str(made.job["id"])) for made in first]
    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}


@pytest.mark.postgresql
def test_many_jobs_are_made_by_several_processes_and_no_index_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.bench.fill.MANY", 100)
    before = indexes()

    fill(WANTED, noops=7, processes=2)

    states = Counter(Job.objects.values_list("state", flat=True))
    assert states == {**WANTED, "ready": WANTED["ready"] + 7}
    noops = Job.objects.filter(definition=NOOP).values_list("arguments", flat=True)
    assert sorted(one["args"][0] for one in noops) == list(range(7))
    assert indexes() == before


@pytest.mark.postgresql
def test_indexes_come_back_when_filling_fails() -> None:
    before = indexes()

    def fail() -> None:
        with set_aside(["jobs_job"]):
            assert len(indexes()) < len(before)
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fail()

    assert indexes() == before


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename LIKE 'jobs\\_%%'")
        return {row[0] for row in cursor.fetchall()}
