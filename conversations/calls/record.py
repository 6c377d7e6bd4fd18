"""One recorded call: a line of a log, checked and in parts."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from conversations.calls.streams import fold
from conversations.exceptions import InvalidCall
from conversations.models import Endpoint

_SLUG = re.compile(r"[-a-z0-9_]+")
_NAME_LENGTH = {"provider": 50, "model": 200}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """A call as it went over the wire. `response` is whole, also where it was streamed."""

    provider: str
    endpoint: Endpoint
    model: str
    requested_at: datetime
    request: dict[str, Any]
    response: dict[str, Any]
    source_key: str


def parse_call(line: str | bytes) -> RecordedCall:
    """Read one line of a log.

    `source_key` is the SHA-256 of the line's canonical JSON, so that the order of keys and
    white space do not make another call of the same one. Raises `InvalidCall`.
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidCall("line", f"must be one JSON object ({error})") from error
    if not isinstance(record, dict):
        raise InvalidCall("line", f"must be one JSON object, not {_kind(record)}")
    request = _expect(record, "request", dict)
    endpoint = _endpoint(record)
    response = _response(record, endpoint)
    return RecordedCall(
        provider=_provider(record),
        endpoint=endpoint,
        model=_name(record, "model"),
        requested_at=_moment(record),
        request=request,
        response=response,
        source_key=_digest(record),
    )


def _digest(record: dict[str, Any]) -> str:
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _expect(record: dict[str, Any], field: str, kind: type) -> Any:
    if field not in record:
        raise InvalidCall(field, "is required")
    value = record[field]
    if not isinstance(value, kind):
        name = "an object" if kind is dict else "a text"
        raise InvalidCall(field, f"must be {name}, not {_kind(value)}")
    return value


def _name(record: dict[str, Any], field: str) -> str:
    value: str = _expect(record, field, str).strip()
    if not value:
        raise InvalidCall(field, "must not be empty")
    if len(value) > _NAME_LENGTH[field]:
        raise InvalidCall(field, f"must have at most {_NAME_LENGTH[field]} characters")
    if "\x00" in value:
        raise InvalidCall(field, "must not contain a NUL character")
    return value


def _provider(record: dict[str, Any]) -> str:
    slug = _name(record, "provider").lower()
    if not _SLUG.fullmatch(slug):
        rule = f"must be letters, digits, hyphens and underscores, not {slug!r}"
        raise InvalidCall("provider", rule)
    return slug


def _endpoint(record: dict[str, Any]) -> Endpoint:
    value = _expect(record, "endpoint", str)
    try:
        return Endpoint(value)
    except ValueError:
        known = ", ".join(Endpoint.values)
        raise InvalidCall("endpoint", f"must be one of {known}, not {value!r}") from None


def _moment(record: dict[str, Any]) -> datetime:
    value = _expect(record, "requested_at", str)
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise InvalidCall("requested_at", f"must carry its UTC offset, unlike {value!r}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        rule = f"must be an ISO 8601 date and time, not {value!r}"
        raise InvalidCall("requested_at", rule) from None


def _response(record: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    if "response" not in record:
        raise InvalidCall("response", "is required")
    try:
        return fold(endpoint, record["response"])
    except ValueError as error:
        raise InvalidCall("response", str(error)) from error


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    return "null" if value is None else names.get(type(value), "a number")
