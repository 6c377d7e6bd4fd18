"""System checks of the site's settings; each finding has an id and says how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

from jobsite.secret_key import local_secret_key


@register(Tags.security, deploy=True)
def several_hosts_share_the_key(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """A public site must be given its secret key, or each host would sign with its own."""
    is_local_key = local_secret_key(settings.VAR_DIR) == settings.SECRET_KEY
    if settings.LOCAL_ONLY or not is_local_key:
        return []
    return [
        Warning(
            "SECRET_KEY is the one that was made for this checkout.",
            hint="Set SECRET_KEY (or SECRET_KEY_FILE) to one random text on all hosts.",
            id="jobsite.W001",
        )
    ]
