"""The groups that a new site has: who may look, work, and decide."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from jobs import roles
from jobs.models import Queue
from jobs.roles import ADMINISTRATOR, OPERATES, OPERATOR, VIEWER
from tests.jobs.factories import FailedJobFactory, JobFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def groups() -> None:
    """As the migration leaves them; tests of transactions empty every table."""
    roles.create_groups(Group.objects, Permission.objects)


def of(role: str) -> set[str]:
    group = Group.objects.get(name=role)
    return set(group.permissions.values_list("codename", flat=True))


def somebody(role: str) -> Client:
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def test_each_role_may_all_that_the_one_below_it_may() -> None:
    assert of(VIEWER) < of(OPERATOR) < of(ADMINISTRATOR)
    assert all(codename.startswith("view_") for codename in of(VIEWER))
    assert of(OPERATOR) - of(VIEWER) == OPERATES


def test_all_permissions_of_the_engine_are_somebodys_but_to_reveal_secrets() -> None:
    everything = Permission.objects.filter(content_type__app_label="jobs")
    assert set(everything.values_list("codename", flat=True)) - of(ADMINISTRATOR) == {"reveal_job"}


def test_no_role_has_permissions_of_another_app() -> None:
    labels = Group.objects.values_list("permissions__content_type__app_label", flat=True)
    assert set(labels.filter(name__in=(VIEWER, OPERATOR, ADMINISTRATOR))) == {"jobs"}


def test_a_group_that_somebody_has_changed_stays_so() -> None:
    group = Group.objects.get(name=VIEWER)
    group.permissions.clear()
    roles.create_groups(Group.objects, Permission.objects)
    assert of(VIEWER) == set()


@pytest.mark.django_db(transaction=True)
def test_the_migration_makes_them() -> None:
    Group.objects.all().delete()
    call_command("migrate", "jobs", "0017", verbosity=0)
    call_command("migrate", "jobs", verbosity=0)
    assert of(VIEWER) < of(OPERATOR) < of(ADMINISTRATOR)


@pytest.mark.parametrize(
    ("role", "pauses", "flushes", "adds"),
    [(VIEWER, 403, 403, 403), (OPERATOR, 302, 403, 403), (ADMINISTRATOR, 302, 200, 200)],
)
def test_pages_and_operations_are_open_to_whom_they_are_meant_for(
    role: str, pauses: int, flushes: int, adds: int
) -> None:
    job = JobFactory.create()
    FailedJobFactory.create()
    browser = somebody(role)
    for noun in ("job", "failedjob", "queue", "jobmetric", "alert", "tagpause", "auditentry"):
        assert browser.get(reverse(f"admin:jobs_{noun}_changelist")).status_code == 200
    assert browser.get(reverse("admin:jobs_job_change", args=[job.pk])).status_code == 200
    pause = reverse("admin:jobs_queue_pause", args=["default"])
    assert browser.post(pause, {"confirmed": "yes"}).status_code == pauses
    assert Queue.objects.filter(paused_at__isnull=False).exists() is (pauses == 302)
    flush = reverse("admin:jobs_failedjob_flush_matching")
    assert browser.get(flush).status_code == flushes
    assert browser.get(reverse("admin:jobs_alertrule_add")).status_code == adds
