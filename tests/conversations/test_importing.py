from __future__ import annotations

import io
import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connections

from conversations.archiving.archive import archive_conversation
from conversations.exceptions import ImportSourceChanged
from conversations.importing import following
from conversations.importing.chunks import chunks_of, read_chunk
from conversations.importing.storing import import_chunk
from conversations.models import AIModel, Conversation, CostStatus, Message
from jobs.models import Job
from tests.conversations.conftest import Store
from tests.conversations.recorded import call, calls_on, chat_record, chat_usage, write_log

pytestmark = pytest.mark.both_databases


def imported(*files: Path, **options: Any) -> dict[str, Any]:
    """What the command prints, imported in this process unless told otherwise."""
    out = io.StringIO()
    options = {"sync": True, **options}
    try:
        call_command("import_provider_calls", *files, json=True, stdout=out, **options)
    except CommandError:
        if not out.getvalue():
            raise
    return json.loads(out.getvalue())


@pytest.mark.django_db
def test_a_log_imported_twice_is_in_once(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", *(chat_record(asked=f"Q{n}") for n in range(7)))

    first, second = imported(log, chunk=3), imported(log, chunk=2)

    assert (first["imported"], first["known"], first["priced"]) == (7, 0, 7)
    assert (second["imported"], second["known"], second["priced"]) == (0, 7, 0)
    assert Message.objects.count() == 7


@pytest.mark.django_db
def test_the_order_of_keys_does_not_make_another_call(tmp_path: Path) -> None:
    record = chat_record()
    turned = json.dumps(dict(reversed(record.items())), indent=None, separators=(", ", " : "))

    summary = imported(write_log(tmp_path / "log.jsonl", record, turned))

    assert (summary["imported"], summary["known"]) == (1, 1)


@pytest.mark.django_db
def test_a_broken_line_is_named_and_the_rest_goes_in(tmp_path: Path) -> None:
    log = write_log(
        tmp_path / "log.jsonl",
        chat_record(asked="one"),
        "{broken",
        "",
        {**chat_record(), "requested_at": "yesterday"},
        {**chat_record(), "requested_at": "2025-05-05T12:00:00"},
        {**chat_record(), "endpoint": "completions"},
        {**chat_record(), "response": None},
        {**chat_record(), "provider": "Open AI"},
        "[]",
        chat_record(asked="two"),
    )

    summary = imported(log, chunk=4)

    assert summary["imported"] == 2
    faults = {item["line"]: item["reason"].partition(":")[0] for item in summary["refused"]}
    assert faults == {
        2: "line",
        4: "requested_at",
        5: "requested_at",
        6: "endpoint",
        7: "response",
        8: "provider",
        9: "line",
    }
    assert not summary["complete"]


@pytest.mark.django_db
def test_the_command_fails_where_a_line_was_refused(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", chat_record(), "{broken")
    told = io.StringIO()

    with pytest.raises(CommandError, match="1 lines were refused"):
        call_command("import_provider_calls", log, sync=True, stdout=told, stderr=told)

    assert "log.jsonl:2: line: must be one JSON object" in told.getvalue()


@pytest.mark.django_db
def test_a_missing_file_or_user_is_refused_before_anything_is_imported(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", chat_record())

    with pytest.raises(CommandError, match="FILE: must be readable"):
        call_command("import_provider_calls", log, tmp_path / "none.jsonl", sync=True)
    with pytest.raises(CommandError, match="--user: no user is called 'nobody'"):
        call_command("import_provider_calls", log, user="nobody", sync=True)

    assert not Message.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_each_chunk_is_a_job_and_so_is_its_costing(tmp_path: Path, settings: Any) -> None:
    settings.JOBS_TRANSPORT = "sync"
    user = get_user_model().objects.create_user("ada")
    log = write_log(tmp_path / "log.jsonl", *(chat_record(asked=f"Q{n}") for n in range(5)))

    summary = imported(log, chunk=2, sync=False, user="ada")

    assert (summary["lines"], summary["imported"], summary["priced"]) == (5, 5, 5)
    assert list(Job.objects.values_list("state", flat=True)) == ["succeeded"] * 6
    assert Conversation.objects.filter(user=user).count() == 5


@pytest.mark.django_db(transaction=True)
def test_a_chunk_that_fails_is_reported_with_its_lines(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.JOBS_TRANSPORT = "sync"

    def refuse(*args: Any) -> None:
        raise ImportSourceChanged("the disk is gone")

    monkeypatch.setattr("conversations.importing.storing.import_chunk", refuse)
    log = write_log(tmp_path / "log.jsonl", *(chat_record(asked=f"Q{n}") for n in range(3)))

    summary = imported(log, chunk=2, sync=False)

    assert [item["what"] for item in summary["failed"]] == [
        "log.jsonl, lines 1 to 2",
        "log.jsonl, lines 3 to 3",
    ]
    assert "the disk is gone" in summary["failed"][0]["reason"]


@pytest.mark.django_db(transaction=True)
def test_who_waits_for_workers_that_are_not_there_is_told(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write_log(tmp_path / "log.jsonl", chat_record())
    told: list[str] = []

    def stop() -> None:
        told.append("warned")
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "IDLE_AFTER", timedelta(0))
    monkeypatch.setattr(
        "conversations.management.commands.import_provider_calls.live_clusters", stop
    )

    with pytest.raises(CommandError, match="1 jobs go on in the background"):
        call_command("import_provider_calls", log)

    assert told == ["warned"]
    assert Job.objects.get().state == "ready"


def test_a_log_that_changes_after_it_was_planned_is_not_read(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", chat_record(asked="one"), chat_record(asked="two"))
    first, second = chunks_of(log, 1)
    text = log.read_text()
    log.write_text(text.replace('"two"', '"six"'))

    assert len(read_chunk(first)) == 1
    with pytest.raises(ImportSourceChanged, match="changed after its import began"):
        read_chunk(second)
    log.unlink()
    with pytest.raises(ImportSourceChanged, match="must be readable by the workers"):
        read_chunk(first)


def test_chunks_hold_every_line_once_with_its_number(tmp_path: Path) -> None:
    lines = ["one", "zwölf", "", "four", "five"]
    log = write_log(tmp_path / "log.jsonl", *lines)

    read = [line for chunk in chunks_of(log, 2) for line in read_chunk(chunk)]

    assert [(number, text.decode().strip()) for number, text in read] == [
        (1, "one"),
        (2, "zwölf"),
        (4, "four"),
        (5, "five"),
    ]


@pytest.mark.django_db
def test_an_import_that_died_before_its_costing_is_mended_by_its_retry(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", chat_record())
    (chunk,) = chunks_of(log)
    died = import_chunk(chunk)

    again = import_chunk(chunk)

    assert (again.imported, again.known) == (0, 1)
    assert again.uncosted == died.uncosted == list(Message.objects.values_list("pk", flat=True))


def test_an_archived_call_is_not_imported_again(store: Store) -> None:
    recorded = call()
    store([recorded])
    archive_conversation(Conversation.objects.get().pk)

    report = store([recorded])

    assert (report.imported, report.known) == (0, 1)
    assert not Message.objects.exists()


def test_a_call_without_usage_is_unpriced_with_the_reason(store: Store) -> None:
    report = store([call(usage={})])

    message = Message.objects.get()
    assert (message.cost_status, message.cost) == (CostStatus.UNPRICED, None)
    assert message.unpriced_reason
    assert message.total_tokens is None
    assert report.unpriced == 1


def test_words_that_postgresql_cannot_store_are_mended(store: Store) -> None:
    store([call(asked="a\x00b\ud800", usage=chat_usage(note="\x00"))])

    assert Message.objects.get().prompt == "a\ufffdb?"


def test_dated_names_belong_to_the_catalogues_model(store: Store) -> None:
    store(calls_on("2025-05-05T10:00:00+00:00", model="gpt-4o-2024-08-06"))
    store(calls_on("2025-05-05T11:00:00+00:00", model="gpt-4o"))

    assert set(Message.objects.values_list("model__name", flat=True)) == {"gpt-4o"}
    assert AIModel.objects.get().in_catalogue


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_imports_of_one_log_at_once_import_each_call_once(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", *(chat_record(asked=f"Q{n}") for n in range(60)))
    barrier = threading.Barrier(4)
    reports = []

    def work() -> None:
        try:
            barrier.wait(10)
            reports.extend(import_chunk(chunk) for chunk in chunks_of(log, 10))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(report.imported for report in reports) == 60
    assert sum(report.known for report in reports) == 180
    assert Message.objects.count() == Conversation.objects.count() == 60
