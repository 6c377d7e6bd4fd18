"""Users of the admin with a role each, and their browsers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

BrowserOf = Callable[..., Client]


@pytest.fixture
def browser_of(db: None) -> BrowserOf:
    """The browser of a staff user who has these permissions of the engine and no others."""

    def make(*codenames: str) -> Client:
        user = User.objects.create_user(f"user-{User.objects.count()}", is_staff=True)
        found = Permission.objects.filter(content_type__app_label="jobs", codename__in=codenames)
        assert {permission.codename for permission in found} == set(codenames)
        user.user_permissions.set(found)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def boss(db: None) -> Client:
    """The browser of a user who may do everything."""
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client
