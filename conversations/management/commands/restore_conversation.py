from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from conversations.archiving.restore import restore_content, restore_conversation
from conversations.exceptions import ArchiveError


class Command(BaseCommand):
    help = (
        "Bring an archived conversation back, message by message as it was: by its ID, or from its"
        " archive's FILE, also where the conversation itself was deleted since."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", metavar="ID|FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        source: str = options["source"]
        try:
            if source.isascii() and source.isdigit():
                conversation = restore_conversation(int(source))
            else:
                conversation = restore_content(Path(source).read_bytes())
        except (ArchiveError, OSError) as error:
            raise CommandError(str(error)) from error
        count = conversation.messages.count()
        self.stdout.write(f"Restored conversation {conversation.pk} with {count} messages.")
