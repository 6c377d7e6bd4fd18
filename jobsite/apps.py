"""The site itself as a Django app: its commands and checks."""

from __future__ import annotations

from django.apps import AppConfig


class JobsiteConfig(AppConfig):
    """Brings the site's management commands; registers its system checks."""

    name = "jobsite"
    verbose_name = "Jobsite"

    def ready(self) -> None:
        from jobsite import checks  # noqa: F401
