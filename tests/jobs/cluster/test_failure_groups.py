"""On a real cluster: many failures, one group, one message."""

from __future__ import annotations

from jobs.models import FailedJob, FailureGroup
from tests.support.cluster import ALIAS, Worksite
from tests.support.waiting import wait_until
from tests.support.webhooks import webhook
from tests.support.worksite import jobs

COUNT = 60


def test_failures_of_two_workers_are_one_group_that_is_told_once(site: Worksite) -> None:
    with webhook() as chat:
        rule = {"channel": "webhook", "target": chat.url}
        jobs.raise_system_exit.enqueue_many([{}] * COUNT)
        site.start(pool={"processes": 2}, NOTIFY={"chat": rule})

        wait_until(lambda: site.states() == {"failed": COUNT, "succeeded": 1}, timeout=30)

    group = FailureGroup.objects.using(ALIAS).get()
    assert FailedJob.objects.using(ALIAS).filter(fingerprint=group.pk).count() == COUNT
    assert (group.count, group.status) == (COUNT, "open")
    assert group.site == "worksite/jobs.py in raise_system_exit"
    (text,) = chat.texts
    assert text.startswith("New failure: SystemExit in raise_system_exit\n")
