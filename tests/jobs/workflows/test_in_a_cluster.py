"""Workflows over real workers, whoever of them dies."""

from __future__ import annotations

import os
import signal
from collections import Counter

from jobs import batch, chain
from jobs.models import Job, Workflow
from tests.support.cluster import ALIAS, Worksite
from tests.support.waiting import wait_until
from tests.support.worksite import jobs

BATCHES = 500
KILLS = 20


def test_every_callback_comes_once_although_workers_are_killed(site: Worksite) -> None:
    cluster = site.start(pool={"processes": 2}, MAX_CRASHES=100)
    handles = [
        batch(
            [
                *[jobs.record.s(f"{number}-{member}", 0.002) for member in range(3)],
                chain(jobs.noop.s(), jobs.noop.s()),
            ],
            then=jobs.record.s(f"then-{number}"),
            finally_=jobs.record.s(f"finally-{number}"),
        ).enqueue()
        for number in range(BATCHES)
    ]
    killed: set[int] = set()
    while len(killed) < KILLS and Job.objects.using(ALIAS).unfinished().exists():
        worker = wait_until(cluster.workers, message=site.report)[0]
        os.kill(worker.pid, signal.SIGKILL)
        killed.add(worker.pid)
        done = Job.objects.using(ALIAS).finished().count()
        wait_until(
            lambda done=done: Job.objects.using(ALIAS).finished().count() > done,
            timeout=30,
            message=site.report,
        )
    site.wait_until_done(timeout=120)
    assert killed
    assert {handle.refresh().state for handle in handles} == {"succeeded"}
    callbacks = Counter(
        (job.arguments["args"][0])
        for job in Job.objects.using(ALIAS).filter(chain=None, state="succeeded")
    )
    expected = [f"{which}-{number}" for number in range(BATCHES) for which in ("then", "finally")]
    assert callbacks == Counter(expected)
    for flow in Workflow.objects.using(ALIAS):
        assert (flow.state, flow.succeeded) == ("succeeded", flow.total)
