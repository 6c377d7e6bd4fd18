"""Settings for django-q2's own test suite on our broker."""

from __future__ import annotations

from tests.support.settings import *  # noqa: F403

TIME_ZONE = "Europe/Amsterdam"
Q_CLUSTER = {
    "name": "django_q_test",
    "cpu_affinity": 1,
    "testing": True,
    "log_level": "DEBUG",
    "broker_class": "jobs.django_q2.broker.LedgerBroker",
    "workers": 2,
    # Its tests sleep through guard cycles of the default length.
    "guard_cycle": 0.5,
}
JOBS_POOLS = {"default": {"processes": 2}}
# Its tests pass objects of their own classes.
JOBS_DJANGO_Q2_PICKLE = True
# In memory, as django-q2 runs them: they close connections in the middle of a test.
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
# Shared by processes, as their Redis is.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": VAR_DIR / "cache",  # noqa: F405
    }
}
