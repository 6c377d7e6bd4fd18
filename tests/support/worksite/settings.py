"""The test site's settings, quick in everything that a cluster waits for.

`WORKSITE_POOL` and `WORKSITE_JOBS` are JSON: options of the pool, and other JOBS_* settings.
"""

from __future__ import annotations

import json
import os

from tests.support.settings import *  # noqa: F403
from tests.support.settings import CACHES, INSTALLED_APPS, JOBS_POOLS, SECRET_KEY

# The site's own apps bring schedules, whose jobs would come between those of a test.
INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app not in ("conversations", "analytics")),
    "tests.support.worksite",
]
JOBS_POOLS = {
    "default": {
        **JOBS_POOLS["default"],
        "timeout": 60,
        "shutdown_grace": 10,
        **json.loads(os.environ.get("WORKSITE_POOL", "{}")),
    }
}
# Shared by the processes of one test.
SECRET_KEY = os.environ.get("WORKSITE_SECRET", SECRET_KEY)
if "WORKSITE_CACHE" in os.environ:
    CACHES["default"]["LOCATION"] = os.environ["WORKSITE_CACHE"]
JOBS_HEARTBEAT = 0.5
JOBS_LEADER_TTL = 1.5
JOBS_HARD_TIMEOUT_GRACE = 0.5
globals().update(
    {
        f"JOBS_{name}": value
        for name, value in json.loads(os.environ.get("WORKSITE_JOBS", "{}")).items()
    }
)
