"""A schedule of every second on two clusters, of which the leading one is killed half-way.

Takes SCHEDULES_TEST_SECONDS seconds, 24 unless set; `SCHEDULES_TEST_SECONDS=120` is the long run.
With `-rP` pytest shows the figures.
"""

from __future__ import annotations

import datetime as dt
import os

from jobs.ledger import ledger
from jobs.models import Job, JobSchedule, Lease, ScheduleSlot, SlotOutcome
from tests.support.cluster import ALIAS, ClusterProcess, Worksite
from tests.support.waiting import wait_until

SECONDS = max(16, int(os.environ.get("SCHEDULES_TEST_SECONDS", "24")))
SECOND = dt.timedelta(seconds=1)
TAKE_OVER = 10 * SECOND
"""How long nobody may lead after the leader's death."""


def leader_of(clusters: list[ClusterProcess]) -> ClusterProcess:
    def found() -> ClusterProcess | None:
        holder = Lease.objects.using(ALIAS).filter(name="clock").values_list("holder", flat=True)
        ids = set(holder)
        return next((one for one in clusters if one.row().pk in ids), None)

    leader = wait_until(found, timeout=20, message="nobody leads")
    assert leader is not None
    return leader


def test_every_second_is_enqueued_exactly_once_though_the_leader_is_killed(site: Worksite) -> None:
    # The engine's own pace, not the quick one of the other tests.
    clusters = [site.start(HEARTBEAT=2, LEADER_TTL=6) for _ in range(2)]
    leader = leader_of(clusters)
    schedule = JobSchedule.objects.using(ALIAS).create(
        name="every second",
        definition="tests.support.worksite.jobs.noop",
        arguments={"args": [1], "kwargs": {}},
        cron="* * * * * *",
    )
    first = schedule.next_run_at
    assert first is not None
    half, end = first + SECONDS / 2 * SECOND, first + SECONDS * SECOND

    def passed(moment: dt.datetime) -> bool:
        return ledger().now() >= moment

    wait_until(lambda: passed(half), timeout=SECONDS)
    killed_at = ledger().now()
    leader.kill_everything()

    wait_until(lambda: passed(end + SECOND), timeout=SECONDS)
    slots = ScheduleSlot.objects.using(ALIAS).filter(schedule=schedule, slot_at__lt=end)
    wait_until(lambda: slots.count() >= SECONDS, timeout=15, message=site.report)

    expected = [first + number * SECOND for number in range(SECONDS)]
    assert list(slots.order_by("slot_at").values_list("slot_at", flat=True)) == expected
    assert set(slots.values_list("outcome", flat=True)) == {SlotOutcome.ENQUEUED}
    jobs = Job.objects.using(ALIAS).filter(schedule=schedule, slot_at__lt=end).order_by("slot_at")
    assert list(jobs.values_list("slot_at", flat=True)) == expected

    late = {job.slot_at: job.enqueued_at - job.slot_at for job in jobs if job.slot_at}
    steady = [
        lateness
        for slot_at, lateness in late.items()
        if not killed_at - SECOND < slot_at < killed_at + TAKE_OVER
    ]
    assert steady
    print(
        f"{SECONDS} times; steady: at most {max(steady) / SECOND:.3f} s late, "
        f"half of them {sorted(steady)[len(steady) // 2] / SECOND:.3f} s or less; "
        f"while nobody led: at most {max(late.values()) / SECOND:.3f} s"
    )
    assert max(steady) < SECOND, "due means within a second"
    assert max(late.values()) < TAKE_OVER + SECOND
    assert min(late.values()) >= dt.timedelta(0), "and never early"
    wait_until(
        lambda: not jobs.exclude(state="succeeded").exists(), timeout=30, message=site.report
    )
