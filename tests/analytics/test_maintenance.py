from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction

from analytics.jobs import cleanup_orphaned_records, health_check, optimize_database
from analytics.maintenance import optimize_tables
from analytics.models import UserAnalytics
from conversations.models import Message
from tests.conversations.conftest import Store
from tests.conversations.recorded import call

pytestmark = pytest.mark.both_databases


@pytest.mark.django_db(transaction=True)
def test_the_tables_that_grow_are_optimised(store: Store) -> None:
    store([call()])

    result = optimize_database.call()

    assert result["vendor"] == connection.vendor
    assert "conversations_message" in result["tables"]
    assert result["orphans"] == {"messages": 0, "user_analytics": 0}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_postgresql_is_vacuumed_and_analysed(store: Store) -> None:
    store([call()])

    optimize_tables()

    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'conversations_message'")
        assert cursor.fetchone() == (1,)


def test_tables_are_not_optimised_inside_of_a_transaction(db: None) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="outside of a transaction"):
        optimize_tables()


@pytest.mark.django_db(transaction=True)
def test_orphans_that_came_in_behind_the_databases_back_are_deleted(store: Store) -> None:
    store([call(), call(asked="stays")])
    user = get_user_model().objects.create_user("ada")
    UserAnalytics.objects.create(user=user, period="daily", date="2025-05-05")
    gone = Message.objects.exclude(prompt="stays").get().conversation
    with unchecked(connection):
        for table, column, key in (
            ("conversations_conversation", "id", gone.pk),
            ("auth_user", "id", user.pk),
        ):
            with connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {table} WHERE {column} = %s", [key])
        assert Message.objects.orphaned().count() == 1

        result = cleanup_orphaned_records.call()

    assert result == {"messages": 1, "user_analytics": 1}
    assert Message.objects.get().prompt == "stays"
    assert cleanup_orphaned_records.call() == {"messages": 0, "user_analytics": 0}


def test_a_health_check_reports_what_it_finds_and_does_not_fail(
    db: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.JOBS_TRANSPORT = "database"

    result = health_check.call()

    assert result["status"] == "unhealthy"
    assert any(issue.startswith("cluster") for issue in result["issues"])
    assert "The site is unhealthy" in caplog.text


@contextmanager
def unchecked(database: Any) -> Iterator[None]:
    """The foreign keys are not looked at inside of this block, as while a dump is loaded."""
    off = {
        "sqlite": "PRAGMA foreign_keys = OFF",
        "postgresql": "SET session_replication_role = replica",
    }
    on = {
        "sqlite": "PRAGMA foreign_keys = ON",
        "postgresql": "SET session_replication_role = DEFAULT",
    }
    with database.cursor() as cursor:
        cursor.execute(off[database.vendor])
        yield
        cursor.execute(on[database.vendor])
