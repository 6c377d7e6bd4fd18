"""Duties: what the clock does at intervals."""

from __future__ import annotations

import datetime as dt
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

from django.db import router
from django.utils import timezone

from jobs import registry, transports
from jobs.alerts import watching
from jobs.cluster import glances, journals, recovery, sweeps
from jobs.cluster.deaths import Death
from jobs.cluster.identity import Identity
from jobs.cluster.leadership import Leadership
from jobs.cluster.process import exists
from jobs.cluster.pulse import SILENCE, Pulse
from jobs.cluster.ticker import Tick
from jobs.conf import settings as conf
from jobs.django_q2 import pruning, pulling, schedules
from jobs.failures import operations
from jobs.failures import recovery as failed_recovery
from jobs.ledger import Ledger, retention
from jobs.metrics import rollup
from jobs.models import BulkOperation, Job, Queue, Worker
from jobs.scheduling import declared, tick

PROMOTE_EVERY = 0.25
SCHEDULES_EVERY = 1.0
SOONEST = 0.02
RETENTION_EVERY = 10.0
DECLARED_EVERY = 3600.0
REDELIVERY_EVERY = 10.0
MEND_EVERY = 5.0
ALERTS_EVERY = 10.0
METRICS_EVERY = 10.0
OPERATIONS_EVERY = 3.0
RECOVERY_EVERY = 5.0
SELDOM = 60.0
"""For what is called when it is needed, or finds nothing to do."""
VANISHED = 2.0
"""Seconds for which a worker's process may be gone before anybody says how it ended."""
DEATHS = "deaths"
RELIEF = "relief"

logger = logging.getLogger("jobs.cluster")


class Duties:
    """The ticks of one cluster's clock, in the threads that run them."""

    def __init__(
        self,
        identity: Identity,
        pulse: Pulse,
        *,
        confirm: Callable[[Death], None],
        idle: Callable[[], None] | None,
    ) -> None:
        """`confirm` is called for each death once the ledger knows it; `idle`, if given, when
        nothing is ready or running any more."""
        self.deaths: deque[Death] = deque()
        self.stuck: deque[int] = deque()
        """Workers that hold jobs which wait for the end of a long one."""
        self.leadership = Leadership(identity)
        self._identity = identity
        self._pulse = pulse
        self._confirm = confirm
        self._idle = idle
        self._vanished: dict[int, float] = {}
        self._sees_running = True
        self._silence = Tick("silent clusters", SELDOM, self._silent_clusters)

    def of_time(self) -> list[Tick]:
        """What must happen on time."""
        ticks = [
            Tick("leadership", self.leadership.every, self._lead),
            Tick("promotion", PROMOTE_EVERY, promote),
        ]
        if self._idle is not None:
            ticks.append(Tick("idleness", PROMOTE_EVERY, self._look_for_idleness))
        return ticks

    def of_schedules(self) -> list[Tick]:
        """What enqueues by the calendar. Apart, so that a schedule which has to wait for a lock
        holds up neither retries nor the lease of the leader."""
        return [
            Tick("schedules", SCHEDULES_EVERY, self._schedules),
            Tick("django-q2 schedules", SCHEDULES_EVERY, self._django_q2_schedules),
        ]

    def of_rescue(self) -> list[Tick]:
        """What the deaths of others ask for."""
        heartbeat = self._pulse.interval
        return [
            Tick("inheritance", 3600, self._inherit),
            Tick(RELIEF, SELDOM, self._relieve),
            Tick(DEATHS, SELDOM, self._bury),
            Tick("surroundings", heartbeat / 2, self._look_around),
            self._silence,
            Tick("orphans", 5.0, self._orphans),
            Tick("places in limits", MEND_EVERY, self._mend_places),
            Tick("turns of tenants", SELDOM, self._mend_turns),
        ]

    def of_upkeep(self) -> list[Tick]:
        """What takes its time."""
        return [
            Tick("declared schedules", DECLARED_EVERY, self._declared_schedules),
            Tick("metrics", METRICS_EVERY, self._metrics),
            Tick("alerts", ALERTS_EVERY, self._alerts),
            Tick("retention", RETENTION_EVERY, self._retention),
            Tick("django-q2 retention", RETENTION_EVERY, self._django_q2_retention),
            Tick("django-q2 redelivery", REDELIVERY_EVERY, self._django_q2_redelivery),
        ]

    def of_operations(self) -> list[Tick]:
        """What is done to many failed jobs. Apart, as a retention of millions of rows must not hold
        up a rate."""
        return [
            Tick("bulk operations", OPERATIONS_EVERY, self._operations),
            Tick("recovery", RECOVERY_EVERY, self._recovery),
        ]

    def _lead(self, ledger: Ledger) -> float:
        self.leadership.renew(ledger)
        return self.leadership.every

    def _schedules(self, ledger: Ledger) -> float | None:
        """Enqueue what is due; until the next time, but look for new ones at least each second."""
        if not self.leadership.is_ours or not _schedules_wanted():
            return None
        left = glances.seconds_to_schedule(ledger)
        if left is not None and left <= 0:
            tick.run_once()
            left = _seconds_until(tick.next_due())
        if left is None or left >= SCHEDULES_EVERY:
            return None
        return max(left, SOONEST)

    def _django_q2_schedules(self, ledger: Ledger) -> None:
        if self.leadership.is_ours and schedules.is_ours() and _old_schedule_may_be_due(ledger):
            schedules.run_once()

    def _inherit(self, ledger: Ledger) -> None:
        sweeps.inherit(ledger, self._identity.heirs_of)
        sweeps.remove_left_files(self._identity)

    def _relieve(self, ledger: Ledger) -> None:
        while self.stuck:
            worker_id = self.stuck.popleft()
            for path in journals.of_workers({worker_id: self._identity.id}).values():
                recovery.relieve(ledger, worker_id, path)

    def _bury(self, ledger: Ledger) -> None:
        while self.deaths:
            death = self.deaths[0]
            try:
                self._record(ledger, death)
            except Exception:
                # It is tried again, but the others come first.
                self.deaths.rotate(-1)
                raise
            self.deaths.popleft()
            self._confirm(death)

    def _record(self, ledger: Ledger, death: Death) -> None:
        workers = Worker.objects.using(conf.DATABASE).filter(stopped_at__isnull=True)
        if death.worker_id:
            ids = [death.worker_id]
        else:
            mine = workers.filter(cluster_id=self._identity.id, pid=death.pid)
            ids = list(mine.values_list("pk", flat=True))
        if ids:
            sweeps.rescue_workers(
                ledger,
                ids,
                death.detail,
                timed_out=death.timed_out,
                interrupted=death.interrupted,
            )
        if death.journal:
            journals.remove(Path(death.journal))
        _tell_prometheus(death.pid)

    def _look_around(self, ledger: Ledger) -> float | None:
        """Look for what nobody has told of; where no other cluster is, half as often."""
        silence = SILENCE * conf.HEARTBEAT
        seen = glances.surroundings(ledger, self._identity.id, silence)
        self._sees_running = seen.running
        if seen.silent or seen.ended:
            self._silence.call()
        self._rescue_vanished(ledger, seen.workers)
        return None if seen.others else self._pulse.interval

    def _silent_clusters(self, ledger: Ledger) -> None:
        sweeps.lose_silent_clusters(ledger, self._identity, self._pulse)
        sweeps.rescue_ended_clusters(ledger)

    def _rescue_vanished(self, ledger: Ledger, workers: dict[int, int]) -> None:
        """Rescue from workers whose process has been gone for a while: the sentinel, which knows
        how they died, has had its time to say so."""
        now = time.monotonic()
        gone = [worker_id for worker_id, pid in workers.items() if not exists(pid)]
        self._vanished = {worker_id: self._vanished.get(worker_id, now) for worker_id in gone}
        overdue = [key for key, since in self._vanished.items() if now - since >= VANISHED]
        if overdue:
            sweeps.rescue_workers(ledger, overdue, sweeps.PROCESS_GONE)

    def _orphans(self, ledger: Ledger) -> None:
        if self.leadership.is_ours and self._sees_running:
            sweeps.rescue_orphans(ledger)

    def _mend_places(self, ledger: Ledger) -> None:
        if not self.leadership.is_ours:
            return
        if queues := ledger.mend_places() | ledger.mend_sequences():
            transports.current().wake(queues)

    def _mend_turns(self, ledger: Ledger) -> float | None:
        return SOONEST if self.leadership.is_ours and ledger.mend_turns() else None

    def _retention(self, ledger: Ledger) -> float | None:
        """Remove what is too old; come again soon while there is something to remove."""
        if not self.leadership.is_ours:
            return None
        if removed := retention.run_once():
            logger.info("retention removed %s", removed)
        return None if removed else SELDOM

    def _metrics(self, ledger: Ledger) -> float | None:
        """Roll up what is complete; come again soon while there is more."""
        return SOONEST if self.leadership.is_ours and rollup.run_once() else None

    def _alerts(self, ledger: Ledger) -> None:
        if self.leadership.is_ours:
            watching.run_once()

    def _django_q2_retention(self, ledger: Ledger) -> float | None:
        if not self.leadership.is_ours:
            return None
        if removed := any(astuple(report := pruning.run_once())):
            logger.info("retention removed of django-q2: %s", report)
        return None if removed else SELDOM

    def _django_q2_redelivery(self, ledger: Ledger) -> None:
        if self.leadership.is_ours and (count := pulling.redeliver(ledger)):
            logger.warning("gave out %s tasks again that django-q2 did not acknowledge", count)

    def _operations(self, ledger: Ledger) -> float | None:
        """Do a batch of each operation that goes on; until the first of them may do another."""
        if not self.leadership.is_ours:
            return None
        rows = BulkOperation.objects.using(conf.DATABASE).active().order_by("pk")
        steps = [operations.advance(pk) for pk in rows.values_list("pk", flat=True)]
        waits = [step.wait for step in steps if step.wait is not None]
        return max(min(waits), SOONEST) if waits else None

    def _recovery(self, ledger: Ledger) -> float | None:
        if not self.leadership.is_ours:
            return None
        if report := failed_recovery.run_once():
            logger.info(
                "failed jobs: %s run again by their rule, %s are left to an operator, %s are of a "
                "definition that is unknown here",
                report.recovered,
                report.dropped,
                report.postponed,
            )
        return SOONEST if report.total >= failed_recovery.BATCH else None

    def _declared_schedules(self, ledger: Ledger) -> None:
        if not _schedules_wanted():
            return
        report = declared.create_missing()
        if report.created:
            logger.info("created the declared schedules %s", ", ".join(report.created))
        for name, error in report.invalid.items():
            logger.error("the declared schedule %s is not valid: %s", name, error)

    def _look_for_idleness(self, ledger: Ledger) -> None:
        if self._idle is not None and not work_is_left(self._identity):
            self._idle()


def promote(ledger: Ledger) -> float | None:
    """Make due jobs ready, and those whose limit has room again, and wake workers for them.

    Returns the seconds until a limit has room, if that is sooner than the next time.
    """
    if queues := ledger.promote():
        transports.current().wake(queues)
    left = ledger.room_in
    return None if left is None or left >= PROMOTE_EVERY else max(left, SOONEST)


def work_is_left(identity: Identity) -> bool:
    """Whether a job of the cluster's queues is ready and can be run here, or one runs here."""
    jobs = Job.objects.using(conf.DATABASE)
    workers = Worker.objects.using(conf.DATABASE).filter(cluster_id=identity.id)
    if jobs.running().filter(worker__in=workers).exists():
        return True
    ready = jobs.ready().on_queues(identity.queues).exclude(queue__in=_paused())
    definitions = ready.order_by().values_list("definition", flat=True).distinct()
    return any(registry.find(name) is not None for name in definitions)


def _paused() -> list[str]:
    return list(
        Queue.objects.using(conf.DATABASE).paused(timezone.now()).values_list("name", flat=True)
    )


def _schedules_wanted() -> bool:
    """`Q_CLUSTER["scheduler"]: False` says that this cluster enqueues no schedules."""
    from django_q.conf import Conf

    return bool(Conf.SCHEDULER)


def _seconds_until(moment: dt.datetime | None) -> float | None:
    return None if moment is None else (moment - timezone.now()).total_seconds()


def _old_schedule_may_be_due(ledger: Ledger) -> bool:
    """Look, where django-q2's tables are in the ledger's database."""
    from django_q.models import Schedule

    if router.db_for_write(Schedule) != conf.DATABASE:
        return True
    return glances.old_schedule_is_due(ledger, Schedule._meta.db_table)


def _tell_prometheus(pid: int) -> None:
    """Let the Prometheus client forget the live metrics of a dead process, as django-q2 does."""
    from django_q.conf import prometheus_multiprocess

    # Older versions of the client read the name in small letters.
    names = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
    if prometheus_multiprocess and any(os.getenv(name) for name in names):
        prometheus_multiprocess.mark_process_dead(pid)
