"""How a message travels: by mail, to a webhook, into the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.core import mail

from jobs.exceptions import NotificationFailed
from jobs.failures.rules import Rule, addresses

TIMEOUT = 10.0
"""Seconds that a webhook may take to answer."""

LOGGER = "jobs.notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is told: one line, and more lines. `is_bad` is false of a recovery."""

    subject: str
    text: str
    is_bad: bool = True


def send(rule: Rule, message: Message) -> None:
    """Send a message over the rule's channel. Raises NotificationFailed, which names the rule and
    nothing of a webhook's address, as that is a secret."""
    try:
        _CHANNELS[rule.channel](rule, message)
    except NotificationFailed:
        raise
    except Exception as error:
        # A mail back end may raise anything.
        told = f"{type(error).__name__}: {error}"
        raise NotificationFailed(f"Notification {rule.name!r}: {told}") from error


def _mail(rule: Rule, message: Message) -> None:
    mail.send_mail(message.subject, message.text, None, addresses(rule.target))


def _post(rule: Rule, message: Message) -> None:
    text = _for_slack(f"{message.subject}\n{message.text}")
    request = Request(
        rule.target,
        data=json.dumps({"text": text}).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "jobsite"},
        method="POST",
    )
    try:
        with build_opener(_NoRedirect).open(request, timeout=TIMEOUT):
            return
    except HTTPError as error:
        error.close()
        trouble = f"answered {error.code}"
    except URLError as error:
        trouble = f"cannot be reached: {error.reason}"
    except (OSError, HTTPException) as error:
        trouble = f"cannot be reached: {type(error).__name__}"
    raise NotificationFailed(f"Notification {rule.name!r}: {rule.shown_target} {trouble}")


def _log(rule: Rule, message: Message) -> None:
    level = logging.ERROR if message.is_bad else logging.INFO
    logging.getLogger(rule.target or LOGGER).log(level, "%s\n%s", message.subject, message.text)


_CHANNELS: dict[str, Callable[[Rule, Message], None]] = {
    "mail": _mail,
    "webhook": _post,
    "log": _log,
}


class _NoRedirect(HTTPRedirectHandler):
    """Takes a redirect for the error that it is: followed, it would become a GET to elsewhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _for_slack(text: str) -> str:
    """What an exception says must neither call a channel nor become a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
