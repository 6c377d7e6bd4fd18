"""Starts real clusters on a database of their own, and looks at it from outside."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import environ
import psutil
from django.core.cache.backends.filebased import FileBasedCache
from django.db import connections
from django.test import override_settings
from django_q.brokers import Broker
from django_q.conf import Conf
from django_q.status import Stat

from jobs.models import Attempt, Cluster, Job, Worker
from tests.support.processes import ManageProcess, run_manage, site_environment
from tests.support.waiting import wait_until

ALIAS = "site"
SECRET = "the processes of one test read what the others have signed"
ENGINES = {"sqlite": "django.db.backends.sqlite3", "postgres": "django.db.backends.postgresql"}


class ClusterProcess(ManageProcess):
    """A `manage.py qcluster` of the worksite."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        super().__init__("qcluster", *arguments, environment=environment)

    @property
    def sentinel(self) -> psutil.Process:
        (child,) = psutil.Process(self.pid).children()
        return child

    def row(self) -> Cluster:
        """Its newest life."""
        return Cluster.objects.using(ALIAS).filter(pid=self.pid).latest("started_at")

    def workers(self) -> list[Worker]:
        """Its living workers that have registered."""
        rows = Worker.objects.using(ALIAS).filter(
            cluster__pid=self.pid, cluster__status="running", stopped_at__isnull=True
        )
        return [worker for worker in rows.order_by("pk") if lives(worker.pid)]

    def wait_until_running(self, workers: int = 1, timeout: float = 30) -> None:
        def runs() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"the cluster ended:\n{self.output()}")
            return len(self.workers()) >= workers

        wait_until(runs, timeout=timeout, message=self.output)

    def kill_everything(self) -> None:
        """Kill the whole tree as a power cut would: nobody gets to say anything."""
        tree = [psutil.Process(self.pid), *self.descendants()]
        for process in tree:
            process.suspend()
        for process in tree:
            process.send_signal(signal.SIGKILL)
        self.process.wait(10)


def lives(pid: int) -> bool:
    """Whether there is a process of this id that has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Worksite:
    """The worksite on one database: starts its commands, enqueues jobs, and tells what became of
    them. Django's own connection of the test process to that database is the alias `site`."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.database_url = database_url
        self.diary = folder / "diary"
        self.folder = folder
        self.clusters: list[ClusterProcess] = []

    def environment(self, *, pool: dict[str, Any] | None = None, **jobs: Any) -> dict[str, str]:
        return site_environment(
            self.database_url,
            DJANGO_SETTINGS_MODULE="tests.support.worksite.settings",
            WORKSITE_DIARY=str(self.diary),
            WORKSITE_CACHE=str(self.folder / "cache"),
            WORKSITE_SECRET=SECRET,
            WORKSITE_POOL=json.dumps({"processes": 1, **(pool or {})}),
            # A cluster that a test kills leaves its files to the next one on the same database.
            WORKSITE_JOBS=json.dumps({"JOURNAL_DIR": str(self.folder / "journals"), **jobs}),
        )

    def start(
        self, *arguments: str, pool: dict[str, Any] | None = None, wait: bool = True, **jobs: Any
    ) -> ClusterProcess:
        """Start a cluster; `pool` and `jobs` are options of its pool and JOBS_* settings."""
        environment = self.environment(pool=pool, **jobs)
        cluster = ClusterProcess(*arguments, environment=environment)
        self.clusters.append(cluster)
        if wait:
            cluster.wait_until_running((pool or {}).get("processes", 1))
        return cluster

    def manage(self, *arguments: str, pool: dict[str, Any] | None = None, **jobs: Any) -> Any:
        return run_manage(*arguments, environment=self.environment(pool=pool, **jobs))

    def written(self) -> list[str]:
        """The words that jobs have written down, in order."""
        if not self.diary.exists():
            return []
        return [line.split()[0] for line in self.diary.read_text().splitlines()]

    def wait_for_word(self, word: str, *, times: int = 1, timeout: float = 20) -> None:
        wait_until(
            lambda: self.written().count(word) >= times,
            timeout=timeout,
            message=lambda: f"{word!r} was not written; {self.report()}",
        )

    def job(self, job_id: Any) -> Job:
        return Job.objects.using(ALIAS).get(pk=job_id)

    def states(self) -> Counter[str]:
        return Counter(Job.objects.using(ALIAS).values_list("state", flat=True))

    def attempts(self, job_id: Any) -> list[tuple[str, str]]:
        """Outcome and detail of each attempt of a job."""
        rows = Attempt.objects.using(ALIAS).filter(job_id=job_id).order_by("fence")
        return [(row.outcome, row.detail) for row in rows]

    def wait_for_state(self, job_id: Any, *states: str, timeout: float = 20) -> Job:
        wait_until(
            lambda: self.job(job_id).state in states,
            timeout=timeout,
            message=lambda: f"{self.job(job_id).state}; {self.attempts(job_id)}; {self.report()}",
        )
        return self.job(job_id)

    def wait_until_done(self, timeout: float = 60) -> None:
        """Return when no job is unfinished."""
        unfinished = Job.objects.using(ALIAS).filter(
            state__in=("blocked", "scheduled", "ready", "running")
        )
        wait_until(
            lambda: not unfinished.exists(), timeout=timeout, interval=0.1, message=self.report
        )

    def stats(self) -> list[Any]:
        """What django-q2 knows of the clusters that run."""
        broker = Broker()
        broker.cache = FileBasedCache(str(self.folder / "cache"), {})
        with patch.object(Conf, "SECRET_KEY", SECRET):
            return list(Stat.get_all(broker))

    def report(self) -> str:
        return f"{dict(self.states())}\n" + "\n".join(one.output()[-4000:] for one in self.clusters)

    def end(self) -> None:
        """End whatever still runs; how a cluster stops is the business of its own tests."""
        for cluster in self.clusters:
            if cluster.process.poll() is None:
                cluster.kill_everything()
            cluster.__exit__(None, None, None)


@contextmanager
def worksite(database_url: str, folder: Path, unblock: Callable[[], Any]) -> Iterator[Worksite]:
    """The worksite on this database, with the test process connected to it as alias `site`."""
    parsed = environ.Env.db_url_config(database_url)
    engine = ENGINES[database_url.partition(":")[0]]
    settings = {**connections["default"].settings_dict, **parsed, "ENGINE": engine}
    if engine.endswith("sqlite3"):
        settings["NAME"] = parsed["NAME"]
    connections.databases[ALIAS] = settings
    site = Worksite(database_url, folder)
    try:
        with unblock(), override_settings(JOBS_DATABASE=ALIAS):
            try:
                yield site
            finally:
                site.end()
                connections[ALIAS].close()
    finally:
        if ALIAS in connections:
            del connections.databases[ALIAS]
            if hasattr(connections._connections, ALIAS):
                del connections[ALIAS]
