"""Which queues there are."""

from __future__ import annotations

import pytest

from jobs import queue_names
from jobs.conf import settings as conf
from jobs.exceptions import UnknownQueue
from jobs.models import JobState, Queue
from tests.jobs.factories import JobFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("state", JobState.values)
def test_a_queue_is_known_by_any_job_it_holds(state: str) -> None:
    JobFactory(queue="forgotten", state=state)

    assert queue_names.known() == [*conf.QUEUES, "forgotten"]
    assert queue_names.resolve("forgotten") == "forgotten"


def test_queues_that_hold_jobs_or_decisions_come_after_those_of_pools_by_name() -> None:
    for queue in ("zebra", "apes", "apes"):
        JobFactory(queue=queue)
    JobFactory(queue="monkeys", state=JobState.RUNNING)
    Queue.objects.create(name="bees")

    assert queue_names.known() == [*conf.QUEUES, "apes", "bees", "monkeys", "zebra"]


def test_a_name_that_no_queue_has_is_refused_with_the_nearest() -> None:
    JobFactory(queue="webhooks-eu")

    with pytest.raises(UnknownQueue, match="webhooks-eu"):
        queue_names.resolve("webhooks-ei")
