"""The first login: random, told once, and never in the way of one that exists."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from jobsite.login import ensure_login

pytestmark = pytest.mark.django_db


def told() -> str:
    out = StringIO()
    call_command("ensure_login", stdout=out)
    return out.getvalue()


def test_a_new_site_gets_a_login_with_the_printed_password() -> None:
    password = told().split()[-1]
    user = authenticate(username="admin", password=password)
    assert isinstance(user, User)
    assert user.is_superuser


def test_two_sites_never_get_the_same_password() -> None:
    first = ensure_login("admin").password
    User.objects.all().delete()
    second = ensure_login("admin").password
    assert first
    assert second
    assert first != second
    assert len(first) >= 16


def test_an_existing_superuser_is_kept_as_it_is() -> None:
    before = User.objects.create_superuser("root-of-all", password="x" * 20).password
    assert "'root-of-all' exists and is kept" in told()
    assert [user.password for user in User.objects.all()] == [before]


def test_a_superuser_who_was_switched_off_does_not_count() -> None:
    User.objects.create_superuser("former", password="x" * 20, is_active=False)
    assert ensure_login("admin").password


def test_somebody_else_s_name_is_not_taken_over() -> None:
    User.objects.create_user("admin", password="x" * 20)
    with pytest.raises(CommandError, match="--username: 'admin' is a user already"):
        told()
    assert not User.objects.filter(is_superuser=True).exists()
