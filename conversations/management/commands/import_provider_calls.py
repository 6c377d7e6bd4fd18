from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from conversations.importing.chunks import LINES_IN_A_CHUNK, Chunk, chunks_of
from conversations.importing.following import ImportSummary, follow_import, import_here
from conversations.jobs import import_calls_chunk
from jobs.metrics.workers import live_clusters

_BAR = 30


class Command(BaseCommand):
    help = (
        "Import logs of recorded calls to AI providers: JSON Lines with provider, endpoint, model,"
        " requested_at, request and response. Each call goes in once, however often it is"
        " imported. Exits with 1 if a line was refused or a job failed; the rest is in."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--sync", action="store_true", help="Import in this process, without workers."
        )
        parser.add_argument("--user", help="The user whom the calls belong to. Default: nobody.")
        parser.add_argument(
            "--chunk",
            type=int,
            default=LINES_IN_A_CHUNK,
            metavar="LINES",
            help=f"Lines that one job imports. Default: {LINES_IN_A_CHUNK}.",
        )
        parser.add_argument("--json", action="store_true", help="Print the summary as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        chunks = self._chunks(options["files"], options["chunk"])
        user_id = self._user_id(options["user"])
        self._total = sum(chunk.lines for chunk in chunks)
        if options["sync"]:
            summary = import_here(chunks, user_id, self._tell)
        else:
            summary = self._import_by_jobs(chunks, user_id)
        self._report(summary, as_json=options["json"])
        if not summary.complete:
            raise CommandError(
                f"{len(summary.refused)} lines were refused, {len(summary.failed)} jobs failed."
            )

    def _chunks(self, files: list[Path], lines: int) -> list[Chunk]:
        if lines < 1:
            raise CommandError(f"--chunk: must be at least 1, not {lines}")
        try:
            return [chunk for file in files for chunk in chunks_of(file, lines)]
        except OSError as error:
            raise CommandError(f"FILE: must be readable ({error})") from error

    def _user_id(self, name: str | None) -> int | None:
        if name is None:
            return None
        users = get_user_model()
        user = users._default_manager.filter(**{users.USERNAME_FIELD: name}).first()
        if user is None:
            raise CommandError(f"--user: no user is called {name!r}")
        return int(user.pk)

    def _import_by_jobs(self, chunks: list[Chunk], user_id: int | None) -> ImportSummary:
        calls = [{"chunk": chunk.as_json(), "user_id": user_id} for chunk in chunks]
        ids: list[UUID] = import_calls_chunk.enqueue_many(calls)
        try:
            return follow_import(dict(zip(ids, chunks, strict=True)), self._tell, self._warn)
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped watching. {len(ids)} jobs go on in the background; the same command"
                " later imports nothing twice."
            ) from None

    def _warn(self) -> None:
        if not live_clusters():
            self.stderr.write(
                "No cluster is running, so the jobs wait. Start one with `manage.py qcluster`, or"
                " stop this and import with --sync."
            )

    def _tell(self, done: int) -> None:
        if not sys.stderr.isatty():
            return
        full = _BAR * done // max(self._total, 1)
        bar = "#" * full + "." * (_BAR - full)
        end = "\n" if done >= self._total else ""
        self.stderr.write(f"\r[{bar}] {done}/{self._total} lines", ending=end)
        self.stderr.flush()

    def _report(self, summary: ImportSummary, *, as_json: bool) -> None:
        for refusal in summary.refused:
            self.stderr.write(f"{refusal['file']}:{refusal['line']}: {refusal['reason']}")
        for failure in summary.failed:
            self.stderr.write(f"{failure['what']}: {failure['reason']} (job {failure['job']})")
        if as_json:
            self.stdout.write(json.dumps(summary.as_json()))
            return
        self.stdout.write(
            f"{summary.lines} calls read: {summary.imported} imported, {summary.known} known"
            f" already, {len(summary.refused)} refused. Costs: {summary.priced} priced,"
            f" {summary.unpriced} unpriced."
        )
