"""The engine's system checks: each finding has an id, and the way to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import connections
from pytest_django import Settings

from jobs import checks, registry
from tests.jobs import sample_jobs


def ids(messages: Iterable[CheckMessage]) -> set[str | None]:
    found = list(messages)
    assert all(message.hint for message in found)
    return {message.id for message in found}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("JOBS_TRANSPORT", "pigeon", "JOBS_TRANSPORT: 'pigeon': must be one of database, sync"),
        ("JOBS_HEARTBEAT", "2", "JOBS_HEARTBEAT: '2': must be a timedelta or a number"),
        ("JOBS_HEARTBEAT", -1, "JOBS_HEARTBEAT: -1: must not be negative"),
        ("JOBS_MAX_CRASHES", 0, "JOBS_MAX_CRASHES: 0: must be a whole number of at least 1"),
        ("JOBS_POOLS", {}, "JOBS_POOLS: {}: must be a dict of pools by name"),
        ("JOBS_POOLS", {"a": {"queue": ["x"]}}, "unknown option, did you mean 'queues'"),
        ("JOBS_POOLS", {"a": {"queues": "high"}}, "must be a list of queue names"),
        ("JOBS_POOLS", {"a": {"queues": ["x", "x"]}}, "names a queue twice"),
        ("JOBS_POOLS", {"a": {"timeout": 0}}, "must be more than 0"),
        ("JOBS_POOLS", {"a": {"processes": 0}}, "must be a whole number of at least 1"),
        ("JOBS_RETENTION", {"done": 1}, "JOBS_RETENTION: 'done': must be one of"),
        ("JOBS_POOLS", {"a": None}, "JOBS_POOLS['a']: None: must be a dict of options"),
        ("JOBS_POOLS", {5: {}}, "JOBS_POOLS: 5: the name of a pool must be a text"),
        ("JOBS_POOLS", {"a": {"queues": None}}, "must be a list of queue names"),
        ("JOBS_POOLS", {"a": {"timeout": float("nan")}}, "longer than time can be counted"),
        ("JOBS_POOLS", {"a": {"timeout": float("inf")}}, "longer than time can be counted"),
        ("JOBS_POOLS", {"a": {"max_time": 0}}, "JOBS_POOLS['a']['max_time']: 0: must be more than"),
        ("JOBS_POOLS", {"a": {"nice": 20}}, "must be a whole number from -20 to 19"),
        ("JOBS_HEARTBEAT", 0, "JOBS_HEARTBEAT: 0: must be more than 0"),
        ("JOBS_LEADER_TTL", 0, "JOBS_LEADER_TTL: 0: must be more than 0"),
        ("JOBS_POLL_INTERVAL", 0, "JOBS_POLL_INTERVAL: 0: must be more than 0"),
        ("JOBS_LISTEN_POLL", 0, "JOBS_LISTEN_POLL: 0: must be more than 0"),
        ("JOBS_RETENTION", None, "JOBS_RETENTION: None: must be a dict of ages by kind"),
        ("JOBS_DJANGO_Q2_PICKLE", "False", "'False': must be True or False"),
        ("JOBS_RELEASE", 5, "JOBS_RELEASE: 5: must be text of at most 100 characters"),
        ("JOBS_RELEASE", "v1\nv2", "must be text of at most 100 characters, on one line"),
        ("Q_CLUSTER", {"max_rss": "1g"}, "Q_CLUSTER['max_rss']: '1g': must be a whole number"),
    ],
)
def test_a_wrong_setting_is_named_with_its_rule(
    settings: Settings, name: str, value: Any, message: str
) -> None:
    setattr(settings, name, value)
    (found,) = checks.check_settings()
    assert (found.id, message in str(found.msg)) == ("jobs.E001", True), found.msg


def test_wrong_pools_are_one_finding_and_no_crash_of_the_other_checks(settings: Settings) -> None:
    settings.JOBS_POOLS = {"a": {"processes": 0}}
    found = run_checks(tags=["jobs"])
    assert ids(found) == {"jobs.E001"}


def test_a_misspelt_setting_is_told_with_the_name_it_is_near_to(settings: Settings) -> None:
    settings.JOBS_HEARTBAET = 5
    (found,) = checks.check_names()
    assert (found.id, "JOBS_HEARTBAET" in found.msg) == ("jobs.W006", True)
    assert "JOBS_HEARTBEAT" in str(found.hint)


def test_a_sites_own_setting_may_begin_like_the_engines(settings: Settings) -> None:
    settings.JOBS_PER_PAGE = 20
    assert not list(checks.check_names())


def test_the_ledgers_database_must_exist(settings: Settings) -> None:
    settings.JOBS_DATABASE = "elsewhere"
    assert ids(checks.check_database()) == {"jobs.E002"}


def test_the_ledgers_database_must_be_a_supported_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["default"], "vendor", "mysql")
    assert ids(checks.check_database()) == {"jobs.E003"}


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        (None, {"jobs.W005"}),
        ("DEFERRED", {"jobs.W005"}),
        ("IMMEDIATE", set()),
        ("EXCLUSIVE", set()),
    ],
)
def test_deferred_transactions_on_sqlite_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, mode: str | None, found: set[str]
) -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"transaction_mode": mode}}
    monkeypatch.setitem(connections.settings, "default", database)
    assert ids(checks.check_transactions()) == found


def test_a_site_whose_tasks_do_not_become_jobs_is_warned(settings: Settings) -> None:
    assert ids(checks.check_backend()) == set()
    settings.TASKS = {"default": {"BACKEND": "nowhere.Backend"}}
    assert ids(checks.check_backend()) == {"jobs.W001"}


def test_a_definition_on_a_queue_that_no_pool_serves_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stray = sample_jobs.add.using(queue_name="nobodys")
    monkeypatch.setattr(registry, "all", lambda: [stray])
    assert ids(checks.check_definitions()) == {"jobs.W002"}


def test_a_cache_that_processes_do_not_share_is_warned_of(settings: Settings) -> None:
    assert ids(checks.check_cache()) == set()
    settings.CACHES = {"default": {"BACKEND": checks.LOCMEM}}
    assert ids(checks.check_cache()) == {"jobs.W003"}


def test_django_q2_with_another_broker_is_warned_of(settings: Settings) -> None:
    assert ids(checks.check_django_q2()) == set()
    settings.Q_CLUSTER = {"name": "x"}
    assert ids(checks.check_django_q2()) == {"jobs.W004"}


def test_django_q2_before_the_engine_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = list(checks.apps.get_app_configs())
    monkeypatch.setattr(checks.apps, "get_app_configs", lambda: configs[::-1])
    assert "jobs.E004" in ids(checks.check_django_q2())
