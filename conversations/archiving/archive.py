"""Out of the database: first a file that was read back and compared, then the deletion."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from conversations.archiving import storage
from conversations.archiving.document import decode, digest, encode
from conversations.archiving.restore import restore_conversation
from conversations.batches import id_batches
from conversations.costs import cost_messages
from conversations.exceptions import ArchiveError
from conversations.models import ArchivedCall, Conversation, Message
from jobs import current_job

logger = logging.getLogger(__name__)

BATCH = 200


@dataclass(slots=True, kw_only=True)
class CleanupReport:
    """What a cleanup did. `reopened` had got new messages in the archive; `kept` names the
    conversations that it could not vouch for."""

    archived: int = 0
    messages: int = 0
    deleted: int = 0
    reopened: int = 0
    kept: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def archive_conversation(conversation_id: int) -> int | None:
    """Move one conversation's messages into the archive; return how many there were.

    Under a lock on the conversation the file is written, read back, and compared by SHA-256, by
    the messages' ids and by their total cost; only then are they deleted, in the same transaction
    that notes where the file is. `updated_at` stays. Returns None if the conversation is gone or
    archived already. Raises `ArchiveError`, with nothing deleted.
    """
    uncosted = Message.objects.uncosted().filter(conversation_id=conversation_id)
    # What has no cost yet would never get one in the archive.
    cost_messages(list(uncosted.values_list("pk", flat=True)))
    with transaction.atomic():
        active = Conversation.objects.active().select_for_update()
        conversation = active.filter(pk=conversation_id).first()
        if conversation is None:
            return None
        messages = list(conversation.messages.select_related("provider", "model").order_by("pk"))
        content = encode(conversation, messages)
        path = storage.write(_path(conversation, content), content)
        _verify(path, content, messages)
        conversation.archived_at = timezone.now()
        conversation.archive_path = path
        conversation.archive_sha256 = digest(content)
        conversation.save(update_fields=["archived_at", "archive_path", "archive_sha256"])
        keys = [message.source_key for message in messages if message.source_key]
        ArchivedCall.objects.bulk_create(
            [ArchivedCall(source_key=key, conversation=conversation) for key in keys],
            batch_size=500,
        )
        deleted, _ = conversation.messages.all().delete()
        if deleted != len(messages):
            raise ArchiveError(
                f"conversation {conversation.pk}: {deleted} messages went, {len(messages)} are in"
                f" the file"
            )
    return len(messages)


def archive_all(conversation_ids: Iterable[int]) -> CleanupReport:
    """`archive_conversation` for each of these. One that fails stops no other; raises
    `ArchiveError` at the end if any did."""
    report = CleanupReport()
    for conversation_id in conversation_ids:
        _archive_one(conversation_id, report)
    return _without_failures(report)


def clean_up(retention: timedelta) -> CleanupReport:
    """Archive what has been idle for `retention`; delete what has been archived as long.

    The second term is counted from the archiving. Before an archived conversation's row is
    deleted its file is read and compared once more; the file itself stays, and can still be
    restored from. One that got messages since is restored instead. One conversation that fails
    stops no other; raises `ArchiveError` at the end if any did.
    """
    if retention <= timedelta(0):
        raise ValueError(f"retention_days: must be more than 0, not {retention.days}")
    report = CleanupReport()
    threshold = timezone.now() - retention
    for ids in id_batches(Conversation.objects.idle_since(threshold), BATCH):
        for conversation_id in ids:
            _archive_one(conversation_id, report)
        _tell(report)
    for ids in id_batches(Conversation.objects.archived_before(threshold), BATCH):
        _delete_archived(ids, report)
        _tell(report)
    return _without_failures(report)


def _without_failures(report: CleanupReport) -> CleanupReport:
    if report.kept:
        named = "; ".join(f"{item['conversation']}: {item['reason']}" for item in report.kept[:5])
        raise ArchiveError(
            f"{report.archived} archived, {report.deleted} deleted,"
            f" {len(report.kept)} kept for an error ({named})"
        )
    return report


def _archive_one(conversation_id: int, report: CleanupReport) -> None:
    try:
        messages = archive_conversation(conversation_id)
    except (ArchiveError, OSError) as error:
        _keep(conversation_id, error, report)
        return
    if messages is not None:
        report.archived += 1
        report.messages += messages


def _delete_archived(ids: list[int], report: CleanupReport) -> None:
    vouched = []
    rows = Conversation.objects.filter(pk__in=ids)
    for row in rows.annotate(is_in_use=Exists(Message.objects.filter(conversation=OuterRef("pk")))):
        try:
            if row.is_in_use:
                # Somebody wrote to it without looking: those messages are in no archive.
                restore_conversation(row.pk)
                report.reopened += 1
                continue
            if digest(storage.read(row.archive_path)) != row.archive_sha256:
                raise ArchiveError(f"{row.archive_path} is not the file that was archived")
            vouched.append(row.pk)
        except ArchiveError as error:
            _keep(row.pk, error, report)
    with transaction.atomic():
        # Restored, or written to, in the meantime, it is in use again.
        gone = Conversation.objects.archived().filter(pk__in=vouched, messages=None)
        pks = list(gone.select_for_update(of=("self",)).values_list("pk", flat=True))
        Conversation.objects.filter(pk__in=pks).delete()
    report.deleted += len(pks)


def _keep(conversation_id: int, error: Exception, report: CleanupReport) -> None:
    details = {"conversation": conversation_id, "reason": str(error)[:250]}
    logger.error("Conversation kept: %s", details, extra=details)
    report.kept.append(details)


def _path(conversation: Conversation, content: bytes) -> str:
    """`conversations/{id}.json`, unless another conversation's archive has that name: that of an
    earlier database whose ids were the same."""
    path = f"conversations/{conversation.pk}.json"
    if not storage.archive_storage().exists(path):
        return path
    earlier, own = (decode(file).conversation for file in (storage.read(path), content))
    same = all(earlier.get(name) == own[name] for name in ("source_key", "created_at"))
    return path if same else f"conversations/{conversation.pk}-{digest(content)[:12]}.json"


def _verify(path: str, content: bytes, messages: list[Message]) -> None:
    stored = storage.read(path)
    if digest(stored) != digest(content):
        raise ArchiveError(f"{path} was read back otherwise than it was written")
    archived = decode(stored)
    if archived.message_ids != [message.pk for message in messages]:
        raise ArchiveError(f"{path} holds other messages than the conversation")
    costs = {int(item["id"]): item["cost"] for item in archived.messages}
    for message in messages:
        if costs[message.pk] != (None if message.cost is None else str(message.cost)):
            raise ArchiveError(f"{path} holds another cost of message {message.pk}")


def _tell(report: CleanupReport) -> None:
    running = current_job()
    if running is not None:
        done = report.archived + report.deleted
        running.progress(done, done, f"{report.archived} archived, {report.deleted} deleted")
