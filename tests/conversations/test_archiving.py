from __future__ import annotations

import io
import json
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from conversations.archiving import storage
from conversations.archiving.archive import archive_conversation, clean_up
from conversations.archiving.restore import restore_content, restore_conversation
from conversations.costs import lock_conversations
from conversations.exceptions import ArchiveError
from conversations.jobs import archive_conversations, cleanup_old_conversations
from conversations.models import ArchivedCall, Conversation, Message
from tests.conversations.conftest import Store
from tests.conversations.recorded import call, calls_on
from tests.support.waiting import wait_until

pytestmark = pytest.mark.both_databases

NOON = "2025-05-05T12:00:00.123456+00:00"
RETENTION = timedelta(days=90)


class CorruptingStorage(InMemoryStorage):
    """Keeps another content than it was given."""

    def _save(self, name: str, content: Any) -> str:
        return super()._save(name, ContentFile(content.read()[:-20]))


@pytest.fixture
def conversation(store: Store) -> Conversation:
    """One with a priced, an unpriced and an uncosted message."""
    store([call(at=NOON), call(at=NOON, asked="unknown", model="gpt-of-tomorrow", usage={})])
    store([call(at=NOON, asked="uncosted")], costed=False)
    first = Conversation.objects.earliest("pk")
    Message.objects.update(conversation=first)
    Conversation.objects.exclude(pk=first.pk).delete()
    return first


def rows() -> list[dict[str, Any]]:
    return list(Message.objects.order_by("pk").values())


def idle(days: float) -> None:
    Conversation.objects.update(updated_at=timezone.now() - timedelta(days=days))


def archived_for(days: float) -> None:
    Conversation.objects.update(archived_at=timezone.now() - timedelta(days=days))


def test_what_was_archived_comes_back_as_it_was(conversation: Conversation) -> None:
    count = archive_conversation(conversation.pk)
    assert (count, Message.objects.count()) == (3, 0)
    archived = json.loads(storage.read(f"conversations/{conversation.pk}.json"))

    restore_conversation(conversation.pk)

    restored = rows()
    assert [row["id"] for row in restored] == [item["id"] for item in archived["messages"]]
    assert {row["cost_status"] for row in restored} == {"priced", "unpriced"}
    assert {row["requested_at"].isoformat() for row in restored} == {NOON}
    before = restored
    archive_conversation(conversation.pk)
    restore_conversation(conversation.pk)
    assert rows() == before
    conversation.refresh_from_db()
    assert (conversation.archived_at, conversation.archive_path) == (None, "")
    assert not ArchivedCall.objects.exists()


def test_messages_are_costed_before_they_go_and_the_total_stays(
    conversation: Conversation,
) -> None:
    archive_conversation(conversation.pk)

    conversation.refresh_from_db()
    assert conversation.total_cost == Decimal("0.0009")
    assert (conversation.message_count, conversation.pending_messages) == (3, 0)


def test_archiving_leaves_the_time_of_the_last_change_alone(conversation: Conversation) -> None:
    idle(days=100)
    before = Conversation.objects.get().updated_at

    archive_conversation(conversation.pk)

    assert Conversation.objects.get().updated_at == before


def test_nothing_is_deleted_where_the_archive_keeps_something_else(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrupting = CorruptingStorage()
    monkeypatch.setattr(storage, "archive_storage", lambda: corrupting)

    with pytest.raises(ArchiveError, match="read back otherwise than it was written"):
        archive_conversation(conversation.pk)

    assert Message.objects.count() == 3
    assert not Conversation.objects.get().is_archived


def test_nothing_is_deleted_where_the_archive_cannot_be_written(
    conversation: Conversation, archive_folder: Path
) -> None:
    archive_folder.parent.mkdir(exist_ok=True)
    archive_folder.write_text("a file where the folder should be")

    with pytest.raises(OSError, match="archive"):
        archive_conversation(conversation.pk)

    assert Message.objects.count() == 3


def test_a_storage_that_is_no_folder_is_used_under_its_own_names(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = InMemoryStorage()
    monkeypatch.setattr(storage, "archive_storage", lambda: memory)

    archive_conversation(conversation.pk)
    first = Conversation.objects.get().archive_path
    restore_conversation(conversation.pk)
    archive_conversation(conversation.pk)

    second = Conversation.objects.get().archive_path
    assert first == f"conversations/{conversation.pk}.json"
    assert second != first
    assert memory.exists(first)
    assert memory.exists(second)


def test_the_archive_of_another_database_is_not_written_over(
    conversation: Conversation, archive_folder: Path
) -> None:
    archive_conversation(conversation.pk)
    path = archive_folder / Conversation.objects.get().archive_path
    restore_conversation(conversation.pk)
    Conversation.objects.update(source_key="call:of-another-database")

    archive_conversation(conversation.pk)

    assert len(list(path.parent.iterdir())) == 2
    assert "of-another-database" not in path.read_text()


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_archive_is_not_restored(
    conversation: Conversation, archive_folder: Path, damage: str
) -> None:
    archive_conversation(conversation.pk)
    path = archive_folder / Conversation.objects.get().archive_path
    if damage == "gone":
        path.unlink()
    else:
        path.write_text(path.read_text().replace("On its way.", "Never."))

    with pytest.raises(ArchiveError, match=r"cannot be read|not the file that was archived"):
        restore_conversation(conversation.pk)

    assert Conversation.objects.get().is_archived
    assert not Message.objects.exists()


def test_a_file_is_restored_where_even_the_conversation_is_gone(
    conversation: Conversation, archive_folder: Path
) -> None:
    user = get_user_model().objects.create_user("ada")
    Conversation.objects.update(user=user)
    archive_conversation(conversation.pk)
    path = archive_folder / Conversation.objects.get().archive_path
    Conversation.objects.all().delete()
    user.delete()
    out = io.StringIO()

    call_command("restore_conversation", str(path), stdout=out)

    assert out.getvalue() == f"Restored conversation {conversation.pk} with 3 messages.\n"
    assert Conversation.objects.get().user is None
    assert Conversation.objects.get().total_cost == Decimal("0.0009")


def test_a_file_whose_messages_are_there_changes_nothing(
    conversation: Conversation, archive_folder: Path
) -> None:
    archive_conversation(conversation.pk)
    content = storage.read(Conversation.objects.get().archive_path)
    restore_conversation(conversation.pk)
    before = rows()

    with pytest.raises(ArchiveError, match="is in the database and not archived"):
        restore_content(content)
    Conversation.objects.all().delete()
    restore_content(content)
    assert rows() == before


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("404", "conversation: 404 does not exist"),
        ("none.json", "No such file"),
        (__file__, "not an archived conversation"),
    ],
)
def test_the_command_says_why_it_cannot_restore(db: None, source: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("restore_conversation", source)


def test_new_rows_do_not_collide_with_restored_ones(
    conversation: Conversation, store: Store
) -> None:
    archive_conversation(conversation.pk)
    content = storage.read(Conversation.objects.get().archive_path)
    Conversation.objects.all().delete()

    restore_content(content)

    assert store([call(asked="new")]).imported == 1


def test_the_cleanup_archives_what_was_idle_for_the_retention(store: Store) -> None:
    store(calls_on(NOON, NOON))
    recent = Conversation.objects.latest("pk")
    idle(days=91)
    Conversation.objects.filter(pk=recent.pk).update(updated_at=timezone.now() - timedelta(days=89))

    result = cleanup_old_conversations.call(retention_days=90)

    assert (result["archived"], result["messages"], result["deleted"]) == (1, 1, 0)
    assert Message.objects.get().conversation == recent
    assert clean_up(RETENTION).archived == 0


def test_the_second_term_is_counted_from_the_archiving(conversation: Conversation) -> None:
    idle(days=400)
    archive_conversation(conversation.pk)
    path = Conversation.objects.get().archive_path

    archived_for(days=89)
    assert clean_up(RETENTION).deleted == 0

    archived_for(days=91)
    assert clean_up(RETENTION).deleted == 1
    assert not Conversation.objects.exists()
    assert storage.archive_storage().exists(path)


def test_what_lost_its_file_is_not_deleted(
    conversation: Conversation, archive_folder: Path
) -> None:
    archive_conversation(conversation.pk)
    archived_for(days=91)
    (archive_folder / Conversation.objects.get().archive_path).unlink()

    with pytest.raises(ArchiveError, match="1 kept for an error"):
        clean_up(RETENTION)

    assert Conversation.objects.exists()


def test_one_conversation_that_cannot_be_archived_stops_no_other(
    store: Store, archive_folder: Path
) -> None:
    store(calls_on(NOON, NOON, NOON))
    blocked = Conversation.objects.order_by("pk")[1]
    (archive_folder / "conversations" / f"{blocked.pk}.json").mkdir(parents=True)

    with pytest.raises(ArchiveError, match=f"2 archived, 0 deleted, 1 kept .*{blocked.pk}: "):
        archive_conversations.call(
            conversation_ids=list(Conversation.objects.values_list("pk", flat=True))
        )

    assert Message.objects.get().conversation == blocked


def test_a_retention_of_nothing_is_refused(conversation: Conversation) -> None:
    with pytest.raises(ValueError, match="retention_days: must be more than 0, not 0"):
        cleanup_old_conversations.call(retention_days=0)

    assert Message.objects.count() == 3


def test_an_archived_conversation_that_got_a_message_is_reopened_instead_of_deleted(
    conversation: Conversation,
) -> None:
    archive_conversation(conversation.pk)
    archived_for(days=91)
    Message.objects.create(conversation=conversation, content="too late")

    report = clean_up(RETENTION)

    assert (report.deleted, report.reopened) == (0, 1)
    assert Message.objects.count() == 4
    assert not Conversation.objects.get().is_archived


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_message_that_arrives_meanwhile_is_not_lost(store: Store) -> None:
    store([call()])
    conversation = Conversation.objects.get()
    done = []

    def archive() -> None:
        try:
            done.append(archive_conversation(conversation.pk))
        finally:
            connections.close_all()

    archiving = threading.Thread(target=archive)
    with transaction.atomic():
        lock_conversations([conversation.pk])
        Message.objects.create(conversation=conversation, content="just in time")
        archiving.start()
        wait_until(_somebody_waits_for_a_lock)
    archiving.join(30)

    assert done == [2]
    assert not Message.objects.exists()
    restore_conversation(conversation.pk)
    assert Message.objects.filter(content="just in time").exists()


def _somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1")
        return cursor.fetchone() is not None
