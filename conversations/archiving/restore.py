"""Back into the database, row by row as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.color import no_style
from django.db import connection, transaction
from django.utils import timezone

from conversations.archiving import storage
from conversations.archiving.document import ArchivedConversation, decode, digest, row
from conversations.catalogue.lookup import providers_by_slug
from conversations.exceptions import ArchiveError
from conversations.models import AIModel, ArchivedCall, Conversation, Message


def restore_conversation(conversation_id: int) -> Conversation:
    """Bring an archived conversation's messages back, exactly as they were.

    Only `updated_at` changes, to now: else the next cleanup would archive it again. The file
    stays. Raises `ArchiveError`, with nothing changed, if there is no such archived conversation,
    or its file is not the one that was written.
    """
    stored = Conversation.objects.filter(pk=conversation_id).first()
    if stored is None:
        raise ArchiveError(f"conversation: {conversation_id} does not exist; name its file")
    if not stored.is_archived:
        raise ArchiveError(f"conversation: {conversation_id} is not archived")
    content = storage.read(stored.archive_path)
    if digest(content) != stored.archive_sha256:
        raise ArchiveError(f"{stored.archive_path} is not the file that was archived")
    return restore_content(content)


def restore_content(content: bytes) -> Conversation:
    """Bring back the conversation of a file, also where its row is gone. Raises `ArchiveError`."""
    archived = decode(content)
    with transaction.atomic():
        conversation = _conversation(archived)
        messages = _messages(archived)
        _refuse_taken(archived, messages)
        Message.objects.bulk_create(messages, batch_size=500)
        ArchivedCall.objects.filter(conversation=conversation).delete()
        _advance_sequences()
    return conversation


def _conversation(archived: ArchivedConversation) -> Conversation:
    restored: Conversation = row(Conversation, archived.conversation)
    found = Conversation.objects.select_for_update().filter(pk=restored.pk).first()
    if found is None:
        _refuse_imported_again(restored)
        users = get_user_model()._default_manager
        if restored.user_id and not users.filter(pk=restored.user_id).exists():
            restored.user_id = None
    elif not found.is_archived:
        raise ArchiveError(f"conversation: {found.pk} is in the database and not archived")
    conversation = found or restored
    conversation.archived_at, conversation.archive_path = None, ""
    conversation.archive_sha256 = ""
    conversation.updated_at = timezone.now()
    conversation.save(force_insert=found is None, force_update=found is not None)
    return conversation


def _refuse_imported_again(restored: Conversation) -> None:
    if restored.source_key is None:
        return
    other = Conversation.objects.filter(source_key=restored.source_key).first()
    if other is not None:
        raise ArchiveError(f"conversation: its calls were imported again, as {other.pk}")


def _messages(archived: ArchivedConversation) -> list[Message]:
    slugs = {item["provider"] for item in archived.messages if item["provider"]}
    providers = providers_by_slug(slugs)
    messages = []
    for item in archived.messages:
        message: Message = row(Message, item)
        provider = providers.get(item["provider"])
        message.provider = provider
        message.model = None
        if provider and item["model"]:
            message.model, _ = AIModel.objects.get_or_create(provider=provider, name=item["model"])
        messages.append(message)
    return messages


def _refuse_taken(archived: ArchivedConversation, messages: Sequence[Message]) -> None:
    taken = set(Message.objects.filter(pk__in=archived.message_ids).values_list("pk", flat=True))
    keys = [message.source_key for message in messages if message.source_key]
    known = Message.objects.filter(source_key__in=keys)
    taken |= set(known.values_list("pk", flat=True))
    if taken:
        raise ArchiveError(f"messages: {sorted(taken)[:5]} are in the database already")


def _advance_sequences() -> None:
    """PostgreSQL hands out ids without looking at those that were written by hand."""
    models: list[Any] = [Conversation, Message]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)
