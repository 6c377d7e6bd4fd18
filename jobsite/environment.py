"""Reads the site's settings from the environment, and refuses every value that breaks its rule.

All refusals are gathered and told at once, so that whoever sets up a site mends them in one go.
A value may also come from a file: `SECRET_KEY_FILE=/run/secrets/key` is read for `SECRET_KEY`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

from jobsite.mail import SCHEMES, mailer_of

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_ENGINES = {"sqlite": "sqlite3", "postgres": "postgresql", "postgresql": "postgresql"}


CHECKOUT = Path(__file__).resolve().parent.parent
"""The folder that holds the whole site."""


class EnvironmentRefused(ImproperlyConfigured):
    """The environment has values that break their rules; the message has a line for each."""


class Environment:
    """Typed reads from the process environment, with the file at `env_file` (if any) below it."""

    def __init__(self, env_file: Path | None = None) -> None:
        self._raw = environ.FileAwareEnv()
        self._refusals: list[str] = []
        if env_file is not None and env_file.is_file():
            self._raw.read_env(env_file, overwrite=False)

    @classmethod
    def of_site(cls) -> Environment:
        """That of this checkout: its `.env`, or the file that JOBSITE_ENV_FILE names, below."""
        return cls(Path(os.environ.get("JOBSITE_ENV_FILE", CHECKOUT / ".env")))

    def var_dir(self) -> Path:
        """The folder of what a running site keeps beside its database."""
        return CHECKOUT / self.text("VAR_DIR", "var")

    def text(self, name: str, default: str = "") -> str:
        """The value with surrounding blanks removed; an empty value counts as not set."""
        try:
            value = str(self._raw.get_value(name, default="")).strip()
        except OSError as error:
            file = os.environ.get(f"{name}_FILE", "")
            self._refuse(f"{name}_FILE", file, f"cannot be read ({error.strerror})")
            return default
        return value or default

    def flag(self, name: str, default: bool) -> bool:
        """True or false; anything that is not clearly one of the two is refused."""
        value = self.text(name).lower()
        if not value:
            return default
        if value not in _TRUE | _FALSE:
            self._refuse(name, value, "must be true or false")
        return value in _TRUE

    def whole(self, name: str, default: int, *, at_least: int = 0) -> int:
        """A whole number that is not below `at_least`."""
        value = self.text(name)
        if not value:
            return default
        try:
            number = int(value)
        except ValueError:
            self._refuse(name, value, "must be a whole number")
            return default
        if number < at_least:
            self._refuse(name, value, f"must be {at_least} or more")
        return number

    def choice(self, name: str, default: str, allowed: Iterable[str]) -> str:
        """One of the allowed words."""
        words = list(allowed)
        value = self.text(name, default)
        if value not in words:
            self._refuse(name, value, f"must be one of {', '.join(words)}")
        return value

    def listing(self, name: str, default: Iterable[str] = ()) -> list[str]:
        """The parts of a value between commas, without blanks."""
        value = self.text(name)
        return [part.strip() for part in value.split(",") if part.strip()] or list(default)

    def origins(self, name: str) -> list[str]:
        """Web origins with their scheme, as Django's CSRF protection wants them."""
        found = self.listing(name)
        for origin in found:
            if not origin.startswith(("http://", "https://")):
                self._refuse(name, origin, "must start with https:// or http://")
        return found

    def time_zone(self, name: str, default: str) -> str:
        """The name of a time zone that this machine's zone data knows."""
        value = self.text(name, default)
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            self._refuse(name, value, "must name a time zone, such as Europe/Berlin")
            return default
        return value

    def url(self, name: str, schemes: Iterable[str]) -> str:
        """An address of one of the given schemes, or an empty string when not set."""
        allowed = list(schemes)
        value = self.text(name)
        if value and value.partition("://")[0] not in allowed:
            rule = f"must start with one of {', '.join(f'{scheme}://' for scheme in allowed)}"
            self._refuse(name, without_password(value), rule)
        return value

    def database(self, name: str, *, default: Path, base: Path) -> dict[str, Any]:
        """A Django database from an address; a relative SQLite path counts from `base`."""
        value = self.text(name, f"sqlite:///{default}")
        scheme = value.partition("://")[0]
        shown = without_password(value)
        if scheme not in _ENGINES:
            self._refuse(name, shown, "must start with sqlite:/// or postgres://")
            return {}
        try:
            parsed = dict(environ.Env.db_url_config(value))
        except ValueError as error:
            self._refuse(name, shown, f"is not the address of a database ({error})")
            return {}
        parsed["ENGINE"] = f"django.db.backends.{_ENGINES[scheme]}"
        if not parsed.get("NAME"):
            self._refuse(name, shown, "must name the database after the last /")
        elif scheme == "sqlite":
            if parsed["NAME"] == ":memory:":
                rule = "must be a file: the web server and the workers are separate processes"
                self._refuse(name, shown, rule)
            parsed["NAME"] = base / parsed["NAME"]
        return parsed

    def mailer(self, name: str, default: str) -> dict[str, Any]:
        """An entry of Django's MAILERS from an address."""
        value = self.text(name, default)
        shown = without_password(value)
        if value.partition("://")[0] not in SCHEMES:
            rule = f"must start with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}"
            self._refuse(name, shown, rule)
            return mailer_of(default)
        try:
            return mailer_of(value)
        except ValueError as error:
            self._refuse(name, shown, str(error))
            return mailer_of(default)

    def require(self, name: str, value: str, how: str) -> str:
        """The value as it is; an empty one is refused with the way to mend it."""
        if not value:
            self._refusals.append(f"{name} is not set: {how}")
        return value

    def finish(self) -> None:
        """Raise `EnvironmentRefused` with every refusal, or return when there was none."""
        if self._refusals:
            lines = "\n".join(f"  - {refusal}" for refusal in self._refusals)
            raise EnvironmentRefused(f"The environment has values that cannot be used:\n{lines}")

    def _refuse(self, name: str, value: str, rule: str) -> None:
        self._refusals.append(f"{name}={value!r}: {rule}")


def without_password(url: str) -> str:
    """The address as it may be shown."""
    scheme, separator, rest = url.partition("://")
    credentials, at, address = rest.rpartition("@")
    user = credentials.partition(":")[0]
    return f"{scheme}{separator}{user}{at}{address}"
