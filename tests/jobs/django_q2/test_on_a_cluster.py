"""Old code on a real cluster of several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.utils import timezone
from django_q.models import Schedule, Task
from django_q.tasks import async_chain, async_task

from jobs.models import Job, JobTag
from tests.jobs.django_q2.conftest import OLD
from tests.support.cluster import ALIAS, Worksite
from tests.support.waiting import wait_until


def row_of(task_id: str, site: Worksite) -> Task:
    rows = Task.objects.using(ALIAS).filter(pk=task_id)
    wait_until(rows.exists, timeout=20, message=site.report)
    return rows.get()


def lines_of(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def test_calls_chains_hooks_and_schedules_run(site: Worksite, tmp_path: Path) -> None:
    diary = tmp_path / "lines"
    site.start(pool={"processes": 3})

    product = async_task(f"{OLD}.multiply", 6, 7, hook=f"{OLD}.bad_hook")
    failed = async_task(f"{OLD}.fail")
    group = async_chain([(f"{OLD}.append_line", (str(diary), word)) for word in "abcdef"])
    Schedule.objects.using(ALIAS).create(
        func=f"{OLD}.append_line", args=f"'{diary}', 'scheduled'", next_run=timezone.now()
    )

    assert row_of(product, site).result == 42
    assert not row_of(failed, site).success
    wait_until(lambda: len(lines_of(diary)) == 7, timeout=20, message=site.report)
    site.wait_until_done()
    words = [word for word in lines_of(diary) if word != "scheduled"]
    assert words == list("abcdef")
    assert Task.objects.using(ALIAS).filter(group=group, success=True).count() == 6
    assert not Schedule.objects.using(ALIAS).exists()


def test_a_call_whose_worker_dies_is_not_lost(site: Worksite, tmp_path: Path) -> None:
    site.start()

    task_id = async_task(f"{OLD}.die_once", str(tmp_path / "died"))

    assert row_of(task_id, site).result == "survived"
    job_id = JobTag.objects.using(ALIAS).get(name=f"task:{task_id}").job_id
    site.wait_for_state(job_id, "succeeded")
    outcomes = [outcome for outcome, _ in site.attempts(job_id)]
    assert outcomes == ["lost", "succeeded"]


def test_a_call_that_always_kills_its_worker_ends_as_a_failed_task(
    site: Worksite, tmp_path: Path
) -> None:
    site.start(MAX_CRASHES=2)

    task_id = async_task("os._exit", 9)

    row = row_of(task_id, site)
    assert not row.success
    assert "The worker that ran the job ended" in row.result


def test_a_call_that_hangs_is_ended_by_its_own_timeout(site: Worksite) -> None:
    site.start(HARD_TIMEOUT_GRACE=0.5)

    task_id = async_task(f"{OLD}.nap", 60, timeout=0.3)

    row = row_of(task_id, site)
    assert not row.success
    assert row.time_taken() < 10


def test_results_of_one_group_from_several_workers_are_all_counted(site: Worksite) -> None:
    site.start(pool={"processes": 4})

    for number in range(40):
        async_task(f"{OLD}.multiply", number, 1, group="many")
    site.wait_until_done()

    rows: Any = Task.objects.using(ALIAS).filter(group="many")
    assert sorted(row.result for row in rows) == list(range(40))
    assert Job.objects.using(ALIAS).filter(state="succeeded").count() == 40
