"""Workers that have claimed many jobs at once are killed, stopped and kept waiting."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest

from jobs.models import Attempt, Job, Worker
from tests.support.cluster import ALIAS, Worksite
from tests.support.processes import ManageProcess
from tests.support.waiting import wait_until
from tests.support.worksite import jobs

SHORT = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journals"


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*")]


def journals(folder: Path) -> list[str]:
    return [name for name in files(folder) if name.endswith(".journal")]


def held() -> int:
    """How many jobs are claimed at this moment."""
    return Job.objects.using(ALIAS).filter(state="running").count()


def wait_for_a_batch(site: Worksite, least: int = 5) -> None:
    wait_until(lambda: held() >= least, interval=0.001, message=site.report)


def assert_each_ran_once_but(site: Worksite, again: int) -> None:
    """Every job has succeeded, and no more than so many have run twice, with that on record."""
    site.wait_until_done()
    assert site.states() == {"succeeded": SHORT}
    written = Counter(site.written())
    assert len(written) == SHORT
    assert sum(count - 1 for count in written.values()) <= again
    rows = Job.objects.using(ALIAS)
    blamed = rows.exclude(crashes=0)
    assert blamed.count() <= again
    assert set(blamed.values_list("crashes", flat=True)) <= {1}
    assert set(rows.filter(crashes=0).values_list("attempts", flat=True)) == {1}
    # Whatever ran a second time says why.
    twice = {word for word, count in written.items() if count > 1}
    names = {job.arguments["args"][0] for job in blamed}
    assert twice <= names
    attempts = Attempt.objects.using(ALIAS)
    assert attempts.count() == SHORT + blamed.count()
    assert attempts.filter(outcome="lost").count() == blamed.count()


def enqueue_short(count: int = SHORT) -> None:
    """Jobs of about two milliseconds."""
    jobs.record.enqueue_many([(f"job{number}", 0.002) for number in range(count)])


def test_a_killed_worker_runs_no_job_again_but_the_one_it_was_in(
    site: Worksite, folder: Path
) -> None:
    cluster = site.start()
    enqueue_short()
    wait_for_a_batch(site)
    os.kill(cluster.workers()[0].pid, signal.SIGKILL)
    assert_each_ran_once_but(site, again=1)
    assert cluster.stop() == 0
    assert files(folder) == []


def test_a_new_cluster_reads_what_a_killed_one_has_left_on_its_host(
    site: Worksite, folder: Path
) -> None:
    lost = site.start(pool={"processes": 2})
    enqueue_short()
    wait_for_a_batch(site)
    lost.kill_everything()
    assert len(journals(folder)) == 2
    heir = site.start(pool={"processes": 2})
    assert_each_ran_once_but(site, again=2)
    ended = Worker.objects.using(ALIAS).filter(stopped_at=None, cluster__pid=lost.pid)
    wait_until(lambda: not ended.exists(), message=site.report)
    assert heir.stop() == 0
    assert files(folder) == []


def test_a_killed_sentinel_leaves_no_files_and_no_job_to_run_again_but_the_running_ones(
    site: Worksite, folder: Path
) -> None:
    cluster = site.start(pool={"processes": 2})
    enqueue_short()
    wait_for_a_batch(site)
    cluster.sentinel.kill()
    assert_each_ran_once_but(site, again=2)
    wait_until(lambda: len(journals(folder)) == 2, message=lambda: str(files(folder)))
    assert cluster.stop() == 0
    assert files(folder) == []


def test_jobs_behind_one_that_is_unexpectedly_long_are_started_elsewhere(site: Worksite) -> None:
    """What waits is taken from its worker at once, and what has ended is written."""
    site.start(pool={"processes": 2})
    jobs.record.enqueue_many([(f"warm{number}",) for number in range(100)])
    site.wait_until_done()
    calls = [(f"job{number}", 2.0 if number == 20 else 0.0) for number in range(40)]
    began = time.monotonic()
    ids = jobs.record.enqueue_many(calls)
    others = Job.objects.using(ALIAS).filter(pk__in=ids, state="succeeded")
    wait_until(lambda: others.count() == 39, interval=0.01, message=site.report)
    assert time.monotonic() - began < 1.0
    assert site.job(ids[20]).state == "running"
    started = Attempt.objects.using(ALIAS).filter(job_id__in=ids)
    site.wait_until_done()
    starts = sorted(started.values_list("started_at", flat=True))
    assert (starts[-1] - starts[0]).total_seconds() < 0.5
    assert set(Job.objects.using(ALIAS).values_list("attempts", "crashes")) == {(1, 0)}


def test_a_worker_that_is_stopped_gives_back_what_it_has_not_started(
    site: Worksite, folder: Path
) -> None:
    cluster = site.start()
    enqueue_short()
    wait_for_a_batch(site)
    asked = time.monotonic()
    assert cluster.stop() == 0
    assert time.monotonic() - asked < 3
    states = site.states()
    assert set(states) == {"succeeded", "ready"}
    assert len(site.written()) == states["succeeded"] == Attempt.objects.using(ALIAS).count()
    ready = Job.objects.using(ALIAS).filter(state="ready")
    assert set(ready.values_list("attempts", flat=True)) == {0}
    assert files(folder) == []


def test_a_claim_size_of_one_claims_one_job_at_a_time(site: Worksite) -> None:
    cluster = site.start(CLAIM_SIZE=1)
    enqueue_short(150)
    most = 0
    while site.states()["ready"]:
        most = max(most, held())
    assert most == 1
    assert cluster.stop() == 0


def test_jobs_that_must_not_run_twice_are_never_claimed_together(site: Worksite) -> None:
    cluster = site.start()
    jobs.record_once.enqueue_many([(f"once{number}", 0.005) for number in range(60)])
    most = 0
    while site.states()["ready"]:
        most = max(most, held())
    assert most == 1
    os.kill(cluster.workers()[0].pid, signal.SIGKILL)
    site.wait_until_done()
    assert max(Counter(site.written()).values()) == 1


def test_a_killed_worker_in_the_foreground_is_rescued_from_its_file(
    site: Worksite, folder: Path
) -> None:
    environment = site.environment()
    enqueue_short()
    with ManageProcess("queue_work", environment=environment) as worker:
        wait_for_a_batch(site)
        worker.process.kill()
        worker.process.wait()
    assert len(journals(folder)) == 1
    cluster = site.start()
    assert_each_ran_once_but(site, again=1)
    assert cluster.stop() == 0
    assert files(folder) == []


def test_a_worker_in_the_foreground_relieves_itself_and_leaves_no_file(
    site: Worksite, folder: Path
) -> None:
    environment = site.environment()
    jobs.record.enqueue_many([(f"warm{number}",) for number in range(60)])
    calls = [(f"job{number}", 1.5 if number == 20 else 0.0) for number in range(40)]
    ids: list[UUID] = []
    with ManageProcess("queue_work", environment=environment) as worker:
        site.wait_until_done()
        ids = jobs.record.enqueue_many(calls)
        site.wait_for_word("job20")
        # What waits behind it is ready for others, and what came before is written.
        wait_until(lambda: held() == 1, interval=0.01, message=worker.output)
        assert site.job(ids[20]).state == "running"
        assert site.job(ids[19]).state == "succeeded"
        site.wait_until_done()
        assert worker.stop(signal.SIGINT) == 0
        assert worker.output().count("worksite.jobs.record  succeeded") == 100
    assert files(folder) == []
    assert set(Job.objects.using(ALIAS).values_list("attempts", flat=True)) == {1}


@pytest.mark.parametrize("command", ["qcluster", "queue_work"])
def test_a_folder_that_is_not_ours_is_refused_before_anything_starts(
    site: Worksite, folder: Path, command: str
) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    told = site.manage(command)
    assert told.returncode == 2
    assert told.stderr.startswith(f"CommandError: JOBS_JOURNAL_DIR: {str(folder)!r}: must be")
    assert "Traceback" not in told.stderr
    assert not Worker.objects.using(ALIAS).exists()


def test_however_many_workers_are_killed_each_death_runs_one_job_again_at_most(
    site: Worksite, folder: Path
) -> None:
    cluster = site.start(pool={"processes": 2}, MAX_CRASHES=100)
    count = 3000
    ids = jobs.record.enqueue_many([(f"job{number}", 0.001) for number in range(count)])
    killed: set[int] = set()
    while len(killed) < 12 and site.states()["ready"]:
        pids = wait_until(lambda: {one.pid for one in cluster.workers()} - killed)
        # Every moment of a batch should be met: not always the same one.
        done = len(site.written()) + 7 * len(killed)
        wait_until(lambda done=done: len(site.written()) > done, interval=0.001)
        os.kill(min(pids), signal.SIGKILL)
        killed.add(min(pids))
    assert len(killed) > 3
    site.wait_until_done()
    assert site.states() == {"succeeded": count}
    written = Counter(site.written())
    assert len(written) == count
    rows = {job.arguments["args"][0]: job for job in Job.objects.using(ALIAS).filter(pk__in=ids)}
    assert sum(job.crashes for job in rows.values()) <= len(killed)
    for word, times in written.items():
        assert times <= 1 + rows[word].crashes
    wait_until(lambda: len(journals(folder)) == 2, message=lambda: str(files(folder)))
