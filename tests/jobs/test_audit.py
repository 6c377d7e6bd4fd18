"""Who operates, and the record of it."""

from __future__ import annotations

import getpass

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory

from jobs.audit import Actor, record
from jobs.models import AuditEntry

pytestmark = pytest.mark.django_db


def test_the_actor_of_a_request_is_the_user_who_is_logged_in() -> None:
    request = RequestFactory().get("/")
    request.user = User.objects.create_user("olga")

    actor = Actor.of_request(request)

    assert (actor.user, actor.name, actor.surface) == (request.user, "olga", "admin")


def test_nobody_can_operate_without_being_logged_in() -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()

    with pytest.raises(PermissionError):
        Actor.of_request(request)


def test_the_actor_of_a_command_is_the_user_of_the_system_even_one_without_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "deploy")
    assert Actor.of_command() == Actor(None, "deploy", "command")

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert Actor.of_command().name.startswith("uid ")


def test_an_entry_outlives_its_user_by_name() -> None:
    user = User.objects.create_user("olga")
    entry = record(Actor(user, "olga", "admin"), "pause", "queue low", reason="why not")

    user.delete()

    entry.refresh_from_db()
    assert (entry.actor, entry.actor_name, entry.reason) == (None, "olga", "why not")


def test_a_target_that_is_too_long_is_cut_visibly() -> None:
    record(Actor.of_code("a test"), "retry", "x" * 500)

    target = AuditEntry.objects.get().target
    assert (len(target), target[-1]) == (200, "…")
