"""The mail server of the site, from an address to what Django takes."""

from __future__ import annotations

from typing import Any

import environ

PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}
"""By the scheme of an address that names no port; those of RFC 8314 and RFC 6409."""
SCHEMES = (*PORTS, "filemail", "consolemail")
TIMEOUT = 30
"""Seconds for which a server may say nothing."""

_NAMES = {
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
    "timeout": "EMAIL_TIMEOUT",
    "file_path": "EMAIL_FILE_PATH",
}
"""Of an option, what it is called in the settings of Django before 6.1."""


def mailer_of(address: str) -> dict[str, Any]:
    """An entry of Django's MAILERS, from `smtp+tls://user:password@host:587` and the like.

    Raises ValueError, which says the rule, for an address that is none.
    """
    scheme = address.partition("://")[0]
    parsed = environ.Env.email_url_config(address)
    options: dict[str, Any] = {
        option: parsed[name] for option, name in _NAMES.items() if parsed.get(name)
    }
    if scheme in PORTS:
        if "host" not in options:
            raise ValueError("must name the mail server after ://")
        options.setdefault("port", PORTS[scheme])
        options["timeout"] = TIMEOUT
    elif scheme == "filemail" and "file_path" not in options:
        raise ValueError("must name a folder, as in filemail:////var/mail")
    return {"BACKEND": parsed["EMAIL_BACKEND"], "OPTIONS": options}


def older_settings(mailer: dict[str, Any]) -> dict[str, Any]:
    """The same as settings of Django before 6.1, which does not read MAILERS."""
    named = {_NAMES[option]: value for option, value in mailer["OPTIONS"].items()}
    return {"EMAIL_BACKEND": mailer["BACKEND"], **named}
