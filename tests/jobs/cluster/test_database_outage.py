"""The database goes away and comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections

from jobs.models import Attempt, Cluster, Worker
from tests.support.cluster import ALIAS, Worksite, worksite
from tests.support.processes import run_manage, site_environment
from tests.support.servers import PostgresServer
from tests.support.waiting import wait_until
from tests.support.worksite import jobs

pytestmark = pytest.mark.postgresql


@pytest.fixture
def outage_site(
    own_postgres_server: PostgresServer, tmp_path: Path, django_db_blocker: Any
) -> Iterator[Worksite]:
    """A site whose PostgreSQL is the test's own."""
    url = own_postgres_server.create("site")
    run_manage("migrate", "--verbosity=0", environment=site_environment(url), check=True)
    with worksite(url, tmp_path, django_db_blocker.unblock) as found:
        yield found


@pytest.mark.parametrize("how", ["restart", "crash"])
def test_nothing_is_lost_when_postgresql_goes_down_under_load(
    outage_site: Worksite, own_postgres_server: PostgresServer, how: str
) -> None:
    site = outage_site
    many = jobs.record.enqueue_many([{"word": f"again{n}", "seconds": 0.01} for n in range(300)])
    once = jobs.record_once.enqueue_many(
        [{"word": f"once{n}", "seconds": 0.01} for n in range(100)]
    )
    clusters = [site.start(), site.start()]
    before = {worker.pk for cluster in clusters for worker in cluster.workers()}
    for _ in range(3):
        done = len(site.written())
        wait_until(lambda done=done: len(site.written()) > done + 30, message=site.report)
        if how == "crash":
            own_postgres_server.kill()
            own_postgres_server.start()
        else:
            own_postgres_server.restart()
        # What is left of the test's own session.
        wait_until(lambda: _reconnected(site), timeout=30)
    site.wait_until_done(timeout=90)
    written = Counter(site.written())
    assert site.states() == {"succeeded": 400}, site.report()
    assert {written[f"again{n}"] for n in range(300)} == {1}
    assert {written[f"once{n}"] for n in range(100)} == {1}
    # A claim whose answer was lost with the connection, or that was given back, was no attempt.
    attempts = sum(site.job(job_id).attempts for job_id in (*many, *once))
    assert Attempt.objects.using(ALIAS).count() == attempts == 400
    # Nobody took anybody for dead, and no worker had to be replaced.
    assert {row.status for row in Cluster.objects.using(ALIAS).all()} == {"running"}
    assert {row.pk for row in Worker.objects.using(ALIAS).all()} == before


def _reconnected(site: Worksite) -> bool:
    connections[ALIAS].close()
    try:
        site.states()
    except OperationalError:
        return False
    return True
