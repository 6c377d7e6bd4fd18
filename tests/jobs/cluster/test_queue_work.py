"""`queue_work`: one worker in the foreground."""

from __future__ import annotations

import json
import signal

import pytest

from jobs.models import Cluster, Worker
from tests.support.cluster import ALIAS, Worksite
from tests.support.processes import ManageProcess
from tests.support.worksite import jobs


def test_once_runs_one_job_and_ends(site: Worksite) -> None:
    jobs.record.enqueue_many(["first", "second"])
    told = site.manage("queue_work", "--once")
    assert told.returncode == 0, told.stderr
    assert site.written() == ["first"]
    assert "worksite.jobs.record  succeeded" in told.stdout
    assert site.states() == {"succeeded": 1, "ready": 1}


def test_once_ends_where_nothing_is_ready(site: Worksite) -> None:
    told = site.manage("queue_work", "--once")
    assert (told.returncode, told.stdout) == (0, "")
    assert "nothing left to do" in told.stderr


def test_until_empty_runs_all_that_is_ready_and_prints_each_as_json(site: Worksite) -> None:
    jobs.add.enqueue_many([(1, 2), (3, 4)])
    jobs.raise_system_exit.enqueue()
    told = site.manage("queue_work", "--until-empty", "--json")
    assert told.returncode == 0, told.stderr
    facts = [json.loads(line) for line in told.stdout.splitlines()]
    assert [fact["outcome"] for fact in facts] == ["succeeded", "succeeded", "failed"]
    assert facts[2]["exception_class"] == "builtins.SystemExit"
    assert Cluster.objects.using(ALIAS).get().status == "stopped"
    assert Worker.objects.using(ALIAS).get().exit == "nothing left to do"


def test_it_serves_the_given_queues_only(site: Worksite) -> None:
    jobs.record.using(queue_name="low").enqueue("low")
    jobs.record.using(queue_name="high").enqueue("high")
    jobs.record.enqueue("default")
    assert site.manage("queue_work", "--until-empty", "--queues", "low,high").returncode == 0
    assert site.written() == ["low", "high"]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("--queues", "hihg"), "did you mean 'high'"),
        (("--queues", ","), "must name at least one queue"),
        (("--pool", "defautl"), "did you mean 'default'"),
    ],
)
def test_a_name_that_is_none_is_refused(
    site: Worksite, arguments: tuple[str, str], rule: str
) -> None:
    told = site.manage("queue_work", "--once", *arguments)
    assert told.returncode == 2
    assert rule.lower() in told.stderr.lower()
    assert not Cluster.objects.using(ALIAS).exists()


def test_ctrl_c_lets_the_job_end(site: Worksite) -> None:
    job_id = jobs.sleep.enqueue(1).id
    with ManageProcess("queue_work", environment=site.environment()) as worker:
        site.wait_for_word("slept-begins")
        assert worker.stop(signal.SIGINT) == 0
    assert site.job(job_id).state == "succeeded"


def test_ctrl_c_twice_gives_the_job_back(site: Worksite) -> None:
    job_id = jobs.hold.enqueue().id
    with ManageProcess("queue_work", environment=site.environment()) as worker:
        site.wait_for_word("held")
        worker.process.send_signal(signal.SIGINT)
        worker.wait_for_output("once more gives it back")
        assert worker.stop(signal.SIGINT) == 130
    job = site.job(job_id)
    assert (job.state, job.attempts) == ("ready", 0)
    assert site.attempts(job_id) == [("interrupted", "stopped by hand")]


def test_a_job_past_its_hard_timeout_ends_the_process(site: Worksite) -> None:
    job_id = jobs.swallow_everything.enqueue().id
    told = site.manage("queue_work", "--once")
    assert told.returncode == 124
    assert site.attempts(job_id) == [("timed_out", "timed out")]
    assert site.job(job_id).state == "failed"


def test_its_job_is_rescued_by_a_cluster_when_it_is_killed(site: Worksite) -> None:
    job_id = jobs.hold.enqueue().id
    with ManageProcess("queue_work", environment=site.environment()) as worker:
        site.wait_for_word("held")
        worker.process.kill()
        worker.process.wait()
    site.start()
    site.wait_for_state(job_id, "succeeded")
    assert site.attempts(job_id) == [("lost", "host gone"), ("succeeded", "")]


def test_a_long_job_in_the_foreground_is_not_taken_for_lost(site: Worksite) -> None:
    site.start(pool={"queues": ["high"]})
    job_id = jobs.sleep.enqueue(4).id
    assert site.manage("queue_work", "--once").returncode == 0
    assert site.attempts(job_id) == [("succeeded", "")]
