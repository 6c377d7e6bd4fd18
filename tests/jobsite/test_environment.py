"""Settings from the environment: what is accepted, and how a bad value is refused."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from jobsite.environment import Environment
from tests.support.processes import ROOT, run_manage


@pytest.fixture
def environment() -> Environment:
    return Environment()


def refusal(environment: Environment) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        environment.finish()
    return str(caught.value)


@pytest.mark.parametrize("word", ["true", "True", "1", "yes", "ON"])
def test_a_flag_knows_the_usual_words(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv("FLAG", word)
    assert environment.flag("FLAG", False) is True
    environment.finish()


def test_a_flag_that_is_neither_true_nor_false_is_refused_instead_of_counting_as_false(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS", "maybe")
    environment.flag("HTTPS", True)
    assert "HTTPS='maybe': must be true or false" in refusal(environment)


@pytest.mark.parametrize(
    ("value", "rule"),
    [("two", "must be a whole number"), ("2.5", "must be a whole number"), ("0", "must be 1 or")],
)
def test_a_number_that_breaks_its_rule_is_refused(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, value: str, rule: str
) -> None:
    monkeypatch.setenv("JOBS_WORKERS", value)
    environment.whole("JOBS_WORKERS", 2, at_least=1)
    assert f"JOBS_WORKERS={value!r}: {rule}" in refusal(environment)


def test_all_bad_values_are_told_at_once(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    monkeypatch.setenv("TIME_ZONE", "Mars/Olympus")
    environment.choice("LOG_LEVEL", "INFO", ["INFO", "DEBUG"])
    environment.time_zone("TIME_ZONE", "UTC")
    environment.require("SECRET_KEY", "", "set it")
    told = refusal(environment)
    assert "LOG_LEVEL='LOUD': must be one of INFO, DEBUG" in told
    assert "TIME_ZONE='Mars/Olympus': must name a time zone" in told
    assert "SECRET_KEY is not set: set it" in told


def test_an_empty_value_counts_as_not_set(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBS_WORKERS", "  ")
    assert environment.whole("JOBS_WORKERS", 2) == 2


def test_a_value_may_come_from_a_file(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from a file\n")
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.setenv("SECRET_KEY_FILE", str(secret))
    assert environment.text("SECRET_KEY") == "from a file"


def test_a_file_that_cannot_be_read_is_refused(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOME_SECRET_FILE", str(tmp_path / "absent"))
    environment.text("SOME_SECRET")
    assert "SOME_SECRET_FILE" in refusal(environment)


def test_the_environment_wins_over_the_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("FIRST_KNOB=file\nSECOND_KNOB=file\n")
    monkeypatch.setenv("FIRST_KNOB", "environment")
    monkeypatch.setenv("SECOND_KNOB", "to be removed by the end of the test")
    monkeypatch.delenv("SECOND_KNOB")
    environment = Environment(file)
    assert environment.text("FIRST_KNOB") == "environment"
    assert environment.text("SECOND_KNOB") == "file"
    monkeypatch.delenv("SECOND_KNOB")


@pytest.mark.parametrize(
    ("url", "name"),
    [("sqlite:///data/a.db", "/base/data/a.db"), ("sqlite:////data/a.db", "/data/a.db")],
)
def test_a_relative_sqlite_path_counts_from_the_checkout(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, url: str, name: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    database = environment.database("DATABASE_URL", default=Path("/x"), base=Path("/base"))
    assert str(database["NAME"]) == name


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("mysql://me:hidden@host/db", "must start with sqlite:/// or postgres://"),
        ("sqlite://:memory:", "must be a file"),
        ("postgres://me:hidden@host/", "must name the database"),
        ("postgres://me:hidden@host:port/db", "is not the address of a database"),
    ],
)
def test_a_database_that_cannot_work_is_refused_without_showing_its_password(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, url: str, rule: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    environment.database("DATABASE_URL", default=Path("/x"), base=Path("/base"))
    told = refusal(environment)
    assert rule in told
    assert "hidden" not in told


@pytest.mark.parametrize(
    ("url", "backend", "options"),
    [
        (
            "smtp+tls://me:p%40ss@mail.example",
            "smtp",
            {
                "host": "mail.example",
                "port": 587,
                "username": "me",
                "password": "p@ss",
                "use_tls": True,
                "timeout": 30,
            },
        ),
        (
            "smtp+ssl://mail.example:4650",
            "smtp",
            {"host": "mail.example", "port": 4650, "use_ssl": True, "timeout": 30},
        ),
        ("", "smtp", {"host": "localhost", "port": 25, "timeout": 30}),
        ("filemail:////var/mails", "filebased", {"file_path": "/var/mails"}),
        ("consolemail://", "console", {}),
    ],
)
def test_a_mail_server_is_an_address(
    environment: Environment,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    backend: str,
    options: dict[str, Any],
) -> None:
    monkeypatch.setenv("MAIL_URL", url)
    mailer = environment.mailer("MAIL_URL", "smtp://localhost:25")
    environment.finish()
    assert mailer == {
        "BACKEND": f"django.core.mail.backends.{backend}.EmailBackend",
        "OPTIONS": options,
    }
    # Django's own backends take every one of them.
    kind = import_string(mailer["BACKEND"])
    assert set(mailer["OPTIONS"]) <= set(inspect.signature(kind.__init__).parameters)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://me:hidden@mail.example", "must start with one of smtp://, smtp+tls://"),
        ("smtp://", "must name the mail server"),
        ("smtp://me:hidden@mail.example:mail", "Port could not be cast"),
        ("filemail://", "must name a folder"),
    ],
)
def test_a_mail_server_that_cannot_be_used_is_refused_without_showing_its_password(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, url: str, rule: str
) -> None:
    monkeypatch.setenv("MAIL_URL", url)
    environment.mailer("MAIL_URL", "smtp://localhost:25")
    told = refusal(environment)
    assert rule in told
    assert "hidden" not in told


def test_mails_of_the_site_go_where_its_environment_says(
    site_env: dict[str, str], tmp_path: Path
) -> None:
    done = run_manage(
        "sendtestemail",
        "ops@example.org",
        environment={
            **site_env,
            "MAIL_URL": f"filemail:///{tmp_path}",
            "MAIL_FROM": "jobs@example.org",
        },
    )
    assert done.returncode == 0, done.stderr
    (mail,) = tmp_path.glob("*.log")
    assert "From: jobs@example.org" in mail.read_text()
    assert "To: ops@example.org" in mail.read_text()


def test_a_trusted_origin_needs_its_scheme(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSRF_TRUSTED_ORIGINS", "https://a.example, b.example")
    environment.origins("CSRF_TRUSTED_ORIGINS")
    assert "'b.example': must start with https://" in refusal(environment)


def test_every_knob_of_the_settings_is_explained_in_the_example() -> None:
    readers = [ROOT / "jobsite" / name for name in ("settings.py", "environment.py")]
    code = "".join(file.read_text() for file in readers)
    knobs = set(re.findall(r"(?:env|self)\.\w+\(\s*\"([A-Z_]+)\"", code))
    assert "VAR_DIR" in knobs
    example = (ROOT / ".env.example").read_text()
    assert len(knobs) > 10
    assert {knob for knob in knobs if f"{knob}=" not in example} == set()


def test_a_command_refuses_to_run_with_a_bad_value(site_env: dict[str, str]) -> None:
    done = run_manage("check", environment={**site_env, "JOBS_WORKERS": "many"})
    assert done.returncode != 0
    assert "JOBS_WORKERS='many': must be a whole number" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["JOBS_WORKERS", "JOBS_TIMEOUT"])
def test_a_refusal_is_told_once(site_env: dict[str, str], name: str) -> None:
    done = run_manage("check", environment={**site_env, name: "0"})
    assert done.stderr.count(f"{name}='0': must be 1 or more") == 1


def test_a_file_that_cannot_be_read_is_told_with_its_path(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABSENT_KEY_FILE", "/nowhere/key")
    environment.text("ABSENT_KEY")
    assert "ABSENT_KEY_FILE='/nowhere/key': cannot be read (No such" in refusal(environment)


def test_the_example_can_be_used_as_it_is(site_env: dict[str, str]) -> None:
    example = {**site_env, "JOBSITE_ENV_FILE": str(ROOT / ".env.example")}
    done = run_manage("check", "--fail-level", "WARNING", environment=example)
    assert done.returncode == 0, done.stderr
