"""Q_CLUSTER_NAME: django-q2's variable that names a cluster, without its trap."""

from __future__ import annotations

import os

from django.conf import settings

VARIABLE = "Q_CLUSTER_NAME"
POOL_VARIABLE = "JOBS_POOL"
"""The pool that `manage.py qcluster` starts, if it is given none."""


def take_cluster_name() -> None:
    """Read Q_CLUSTER_NAME as the name of a pool where django-q2 could not read it at all.

    Without ALT_CLUSTERS in Q_CLUSTER its module `conf` raises KeyError when it is imported, and
    with it every command of the site. So this must run before that, and `jobs` must stand before
    `django_q` in INSTALLED_APPS. A name that is the cluster's own needs nothing.
    """
    name = os.environ.get(VARIABLE)
    cluster = getattr(settings, "Q_CLUSTER", {})
    if not name or "ALT_CLUSTERS" in cluster:
        return
    if name not in (cluster.get("name"), cluster.get("cluster_name")):
        del os.environ[VARIABLE]
        os.environ.setdefault(POOL_VARIABLE, name)
