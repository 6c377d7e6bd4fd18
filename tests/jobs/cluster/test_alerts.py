"""Alerts come from the cluster's clock, and from beside it when every cluster is dead."""

from __future__ import annotations

from jobs.models import Alert, AlertRule
from tests.support.cluster import ALIAS, Worksite
from tests.support.processes import ManageProcess
from tests.support.waiting import wait_until
from tests.support.webhooks import webhook
from tests.support.worksite import jobs


def test_a_cluster_watches_its_queues_and_whoever_looks_tells_that_it_is_over(
    site: Worksite,
) -> None:
    with webhook() as box:
        AlertRule.objects.using(ALIAS).create(
            name="much", kind="depth", limit=1, channel="webhook", target=box.url
        )
        for _ in range(3):
            jobs.add.using(queue_name="nobody").enqueue(1, 1)
        site.start()
        wait_until(lambda: len(box.received) == 1, timeout=30, message=site.report)
        Alert.objects.using(ALIAS).get(closed_at__isnull=True)
        site.manage("queue_clear", "nobody", "--yes")
        assert site.manage("queue_monitor", "--alerts").returncode == 0
        assert len(box.received) == 2
    assert "3 jobs are ready on nobody." in box.texts[0]
    assert box.texts[1].startswith("Over: much")


def test_when_every_worker_is_dead_a_process_beside_them_raises_the_alarm(site: Worksite) -> None:
    with webhook() as box:
        AlertRule.objects.using(ALIAS).create(
            name="dead", kind="workers", limit=1, channel="webhook", target=box.url
        )
        cluster = site.start()
        arguments = ("queue_monitor", "--alerts", "--watch", "1")
        with ManageProcess(*arguments, environment=site.environment()) as watcher:
            cluster.kill_everything()
            wait_until(lambda: len(box.received) == 1, timeout=30, message=watcher.output)
            assert "0 workers alive." in box.texts[0]
            site.start()
            wait_until(lambda: len(box.received) == 2, timeout=30, message=watcher.output)
    assert box.texts[1].startswith("Over: dead")
