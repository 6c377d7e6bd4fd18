"""The first login of a new site."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.db import transaction


@dataclass(frozen=True)
class Login:
    """A superuser's name, and the password if it was made just now."""

    username: str
    password: str | None = None


def ensure_login(username: str) -> Login:
    """The first active superuser of the site; where there is none, one with a random password.

    Raises `ValueError` if the name belongs to somebody who is not an active superuser.
    """
    users = get_user_model()
    with transaction.atomic():
        superusers = users._default_manager.filter(is_superuser=True, is_active=True)
        if existing := superusers.order_by("pk").first():
            return Login(existing.get_username())
        if users._default_manager.filter(**{users.USERNAME_FIELD: username}).exists():
            raise ValueError(f"{username!r} is a user already, but not an active superuser")
        password = secrets.token_urlsafe(12)
        users._default_manager.create_superuser(
            **{users.USERNAME_FIELD: username}, password=password
        )
    return Login(username, password)
