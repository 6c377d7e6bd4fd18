"""Which pool a cluster starts, and django-q2's variable for it."""

from __future__ import annotations

import pytest

from jobs.models import Cluster
from tests.support.cluster import ALIAS, Worksite
from tests.support.processes import run_manage


def test_a_cluster_name_without_alternative_clusters_breaks_no_command(site: Worksite) -> None:
    """T11: django-q2 raises KeyError when it is imported."""
    environment = {**site.environment(), "Q_CLUSTER_NAME": "default"}
    told = run_manage("qcluster", "--run-once", environment=environment)
    assert told.returncode == 0, told.stderr
    assert Cluster.objects.using(ALIAS).get().pool == "default"


@pytest.mark.parametrize("name", ["-n", "--pool"])
def test_a_pool_is_started_by_its_name(site: Worksite, name: str) -> None:
    told = site.manage("qcluster", name, "default", "--run-once")
    assert told.returncode == 0, told.stderr
    assert Cluster.objects.using(ALIAS).get().pool == "default"


def test_an_unknown_pool_is_refused_with_the_nearest_name(site: Worksite) -> None:
    told = site.manage("qcluster", "-n", "defualt")
    assert told.returncode == 2
    assert "must be one of default (JOBS_POOLS), did you mean 'default'?" in told.stderr
    assert not Cluster.objects.using(ALIAS).exists()


def test_an_invalid_setting_is_refused_before_anything_starts(site: Worksite) -> None:
    told = site.manage("qcluster", "--run-once", pool={"processes": 0})
    assert told.returncode != 0
    assert "processes" in told.stderr
    assert "at least 1" in told.stderr
