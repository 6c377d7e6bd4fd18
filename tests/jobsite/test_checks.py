"""The site's system checks, and a public site as Django's own deployment checks see it."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks

from jobsite.checks import several_hosts_share_the_key
from jobsite.secret_key import ensure_local_secret_key, local_secret_key
from tests.support.processes import ROOT, run_manage


def ids(messages: list[CheckMessage]) -> set[str | None]:
    return {message.id for message in messages}


@pytest.mark.django_db
def test_the_settings_as_they_are_pass() -> None:
    assert not any(str(found.id).startswith("jobsite.") for found in run_checks())


@pytest.mark.parametrize(
    ("local_only", "own_key", "found"),
    [(False, False, {"jobsite.W001"}), (False, True, set()), (True, False, set())],
)
def test_a_public_site_must_not_live_on_the_key_of_one_checkout(
    settings: Any, tmp_path: Path, local_only: bool, own_key: bool, found: set[str]
) -> None:
    ensure_local_secret_key(tmp_path)
    settings.VAR_DIR = tmp_path
    settings.LOCAL_ONLY = local_only
    settings.SECRET_KEY = secrets.token_urlsafe(64) if own_key else local_secret_key(tmp_path)
    assert ids(several_hosts_share_the_key(None)) == found


def test_a_public_site_passes_all_deployment_checks(site_env: dict[str, str]) -> None:
    public = {**site_env, "ALLOWED_HOSTS": "jobs.example"}
    done = run_manage("check", "--deploy", "--fail-level", "WARNING", environment=public)
    assert done.returncode == 0, done.stderr


def test_a_public_site_without_https_does_not_pass(site_env: dict[str, str]) -> None:
    public = {**site_env, "ALLOWED_HOSTS": "jobs.example", "HTTPS": "false"}
    done = run_manage("check", "--deploy", "--fail-level", "WARNING", environment=public)
    assert done.returncode != 0
    assert "security.W008" in done.stderr


def test_a_site_without_a_secret_key_says_how_to_get_one(
    site_env: dict[str, str], tmp_path: Path
) -> None:
    bare = {**site_env, "SECRET_KEY": "", "VAR_DIR": str(tmp_path / "nothing-here")}
    done = run_manage("check", environment=bare)
    assert done.returncode != 0
    assert "SECRET_KEY is not set" in done.stderr
    assert "make setup" in done.stderr


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    assert ensure_local_secret_key(tmp_path) is True
    key = local_secret_key(tmp_path)
    assert len(key) >= 64
    assert ensure_local_secret_key(tmp_path) is False
    assert local_secret_key(tmp_path) == key
    assert [file.name for file in tmp_path.iterdir()] == ["secret_key"]
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0


def test_the_key_is_made_where_the_settings_look_for_it(
    site_env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "env").write_text(f"VAR_DIR={tmp_path / 'state'}\n")
    environment = {**site_env, "JOBSITE_ENV_FILE": str(tmp_path / "env"), "SECRET_KEY": ""}
    del environment["VAR_DIR"]
    subprocess.run(
        [sys.executable, "-m", "jobsite.secret_key"], env=environment, cwd=ROOT, check=True
    )
    assert local_secret_key(tmp_path / "state")
    assert run_manage("check", environment=environment).returncode == 0
