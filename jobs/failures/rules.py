"""The rules of notifications: who is told of which failure groups, and how often."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from jobs.setting_rules import duration, refused

CHANNELS = ("mail", "webhook", "log")
COOLDOWN = dt.timedelta(hours=1)
LONGEST_COOLDOWN = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One recipient, from a row of the admin or from JOBS_NOTIFY. Empty filters let all pass."""

    key: str
    """Names the rule for its cool-down, for as long as it exists."""
    name: str
    channel: str
    target: str = ""
    queue: str = ""
    definition: str = ""
    cooldown: dt.timedelta = COOLDOWN

    @property
    def shown_target(self) -> str:
        """The target without what is secret in it: of a URL the host alone."""
        if self.channel != "webhook":
            return self.target
        parts = urlsplit(self.target)
        return f"{parts.scheme}://{parts.hostname}/…"


def addresses(target: str) -> list[str]:
    """The mail addresses in a target."""
    return [part.strip() for part in target.split(",") if part.strip()]


def fault_of_target(channel: str, target: str) -> str:
    """The rule that a target of this channel breaks; empty for a good one."""
    if channel == "mail":
        return _fault_of_addresses(target)
    if channel == "webhook":
        return _fault_of_url(target)
    return "" if re.fullmatch(r"[\w.-]*", target) else "must be the name of a logger, or empty"


def fault_of_cooldown(cooldown: dt.timedelta | None) -> str:
    """The rule that a cool-down breaks; empty for a good one."""
    is_good = cooldown is not None and dt.timedelta(0) <= cooldown <= LONGEST_COOLDOWN
    return "" if is_good else "must be from 0 to 365 days"


def rule_of_setting(name: Any, options: Any) -> Rule:
    """One entry of JOBS_NOTIFY. Raises JobsConfigurationError that names option, value and rule."""
    if not isinstance(name, str) or not 0 < len(name) <= 100:
        raise refused("JOBS_NOTIFY", name, "the name of a rule must be text of 1 to 100 characters")
    place = f"JOBS_NOTIFY[{name!r}]"
    if not isinstance(options, Mapping):
        raise refused(place, options, "must be a dict of options")
    known = ("channel", "target", "queue", "definition", "cooldown")
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(str(option), known, n=1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise refused(place, option, f"unknown option{hint}")
    if options.get("channel") not in CHANNELS:
        rule = f"must be one of {', '.join(CHANNELS)}"
        raise refused(f"{place}['channel']", options.get("channel"), rule)
    for option in ("target", "queue", "definition"):
        if not isinstance(options.get(option, ""), str):
            raise refused(f"{place}[{option!r}]", options[option], "must be text")
    cooldown = duration(f"{place}['cooldown']", options.get("cooldown", COOLDOWN))
    target = options.get("target", "")
    if rule := fault_of_target(options["channel"], target):
        raise refused(f"{place}['target']", target, rule)
    if rule := fault_of_cooldown(cooldown):
        raise refused(f"{place}['cooldown']", options["cooldown"], rule)
    return Rule(key=f"setting:{name}", name=name, **{**options, "cooldown": cooldown})


def _fault_of_addresses(target: str) -> str:
    found = addresses(target)
    for address in found:
        try:
            validate_email(address)
        except ValidationError:
            return f"{address!r} is not a mail address"
    return "" if found else "must be at least one mail address"


def _fault_of_url(target: str) -> str:
    fault = "must be a URL that begins with http:// or https:// and names a host"
    if not target.isascii() or any(character <= " " for character in target):
        return fault
    try:
        parts = urlsplit(target)
        # Reading the port checks it.
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    return "" if is_whole else fault
