"""What a process that prices nothing does without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT, site_environment

LOADED = """
import sys
import django
django.setup()
from django.urls import get_resolver
from jobs import registry
get_resolver().url_patterns
assert registry.find("conversations.jobs.calculate_message_cost")
print([name for name in ("genai_prices", "pydantic", "httpx2") if name in sys.modules])
"""


def test_the_site_with_its_jobs_and_its_admin_is_loaded_without_the_price_catalogue(
    tmp_path: Path,
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOADED],
        env=site_environment(f"sqlite:///{tmp_path}/none.sqlite3"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.strip() == "[]", ran.stderr
