"""The archive's file of one conversation: JSON that holds every column."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model

from conversations.exceptions import ArchiveError
from conversations.models import Conversation, Message

FORMAT = "jobsite.conversation/1"


@dataclass(frozen=True, slots=True)
class ArchivedConversation:
    """A file's content: the columns of the conversation, and of each message."""

    conversation: dict[str, Any]
    messages: list[dict[str, Any]]

    @property
    def message_ids(self) -> list[int]:
        return [int(message["id"]) for message in self.messages]


def encode(conversation: Conversation, messages: Sequence[Message]) -> bytes:
    """The file's bytes. Providers and models go by name as well, so that the file can be read
    into another database."""
    document = {
        "format": FORMAT,
        "conversation": _columns(conversation),
        "messages": [
            {
                **_columns(message),
                "provider": message.provider.slug if message.provider else None,
                "model": message.model.name if message.model else None,
            }
            for message in messages
        ],
    }
    return json.dumps(document, cls=_Encoder, ensure_ascii=False, indent=1).encode()


def decode(content: bytes) -> ArchivedConversation:
    """Read a file. Raises `ArchiveError` if it is none of ours, or broken."""
    try:
        document = json.loads(content)
        if document["format"] != FORMAT:
            raise ArchiveError(f"format: must be {FORMAT!r}, not {document['format']!r}")
        archived = ArchivedConversation(document["conversation"], document["messages"])
        own = int(archived.conversation["id"])
        strangers = [m["id"] for m in archived.messages if m["conversation_id"] != own]
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"the file is not an archived conversation: {error!r}") from error
    if strangers:
        raise ArchiveError(f"the file holds messages of another conversation: {strangers[:5]}")
    return archived


def row(model: type[Model], columns: dict[str, Any]) -> Any:
    """An unsaved row from a file's columns. Raises `ArchiveError` for a value that cannot be."""
    values = {}
    for field in model._meta.concrete_fields:
        if field.attname not in columns:
            raise ArchiveError(f"the file has no value for {field.attname}")
        try:
            values[field.attname] = field.to_python(columns[field.attname])
        except (ValidationError, TypeError, ValueError) as error:
            raise ArchiveError(f"{field.attname}: {error}") from error
    return model(**values)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        # Django's own form of a time drops the microseconds to milliseconds.
        return o.isoformat() if hasattr(o, "isoformat") else super().default(o)


def _columns(instance: Model) -> dict[str, Any]:
    return {
        field.attname: getattr(instance, field.attname) for field in instance._meta.concrete_fields
    }
