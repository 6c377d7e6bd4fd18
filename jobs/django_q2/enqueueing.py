"""From a django-q2 task to jobs of the ledger: one, or one for each link of its chain."""

from __future__ import annotations

from typing import Any

from django_q.conf import Conf

from jobs import dispatch
from jobs.conf import settings
from jobs.dispatch import NewJob
from jobs.django_q2 import chains
from jobs.django_q2.calls import OldCall
from jobs.django_q2.task import run_task
from jobs.exceptions import InvalidOption
from jobs.identifiers import uuid7


def new_jobs(task: dict[str, Any], key: str) -> list[NewJob]:
    """The jobs of a task that was given to the broker of `key`; not inserted yet.

    The links of a chain wait for each other: one becomes ready when the link before it has
    succeeded, and is cancelled if that failed. Raises InvalidArguments and InvalidOption.
    """
    tasks = chains.links(task, key)
    jobs = [_new_job(link, key) for link in tasks]
    if len(jobs) > 1:
        chain = uuid7()
        before: NewJob | None = None
        for job in jobs:
            job.chain = chain
            job.follows_id = before.id if before else None
            before = job
    return jobs


def queue_of(key: str | None) -> str:
    """The queue that stands for a django-q2 cluster: the one of the same name, and for the site's
    own cluster the queue `default`, or the first one where no pool serves that."""
    if key and (key != Conf.PREFIX or key in settings.QUEUES):
        return key
    return run_task.queue_name if run_task.queue_name in settings.QUEUES else settings.QUEUES[0]


def _new_job(task: dict[str, Any], key: str) -> NewJob:
    call = OldCall.of(task, key)
    definition = run_task.using(queue_name=queue_of(key), tags=call.tags, **_policy(task))
    return dispatch.new_job(definition, (), call.job_arguments())


def _policy(task: dict[str, Any]) -> dict[str, Any]:
    """Q_CLUSTER's and the call's own options, as the ledger's. django-q2's 0 attempts, which retry
    for ever, are the ledger's default of one."""
    policy: dict[str, Any] = {}
    if "timeout" in task:
        policy["timeout"] = _timeout(task["timeout"])
    attempts = 1 if task.get("ack_failure", Conf.ACK_FAILURES) else max(Conf.MAX_ATTEMPTS, 1)
    if attempts > 1:
        policy["max_attempts"] = attempts
        policy["backoff"] = float(Conf.RETRY)
    return policy


def _timeout(value: Any) -> float | None:
    if value is None or value == -1 or value == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InvalidOption("timeout", value, "must be a number of seconds, or -1 for no limit")
    return float(value)
