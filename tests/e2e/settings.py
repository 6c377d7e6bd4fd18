"""The worksite with the site's own apps again: people meet these as well."""

from __future__ import annotations

from tests.support.settings import INSTALLED_APPS as SITE_APPS
from tests.support.worksite.settings import *  # noqa: F403

INSTALLED_APPS = [*SITE_APPS, "tests.support.worksite"]
