"""Where archives lie: the storage `archive` of the site, or else a folder of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InvalidStorageError, Storage, storages

from conversations.exceptions import ArchiveError


def archive_storage() -> Storage:
    """`STORAGES["archive"]` if the site has it, else the folder `ARCHIVE_ROOT` (`var/archive`)."""
    try:
        return storages["archive"]
    except InvalidStorageError:
        default = Path(getattr(settings, "VAR_DIR", Path(settings.BASE_DIR) / "var")) / "archive"
        return FileSystemStorage(location=getattr(settings, "ARCHIVE_ROOT", default))


def write(path: str, content: bytes) -> str:
    """Write a whole file and return the path that it got.

    In a folder it is there whole or not at all, also after a power cut, and replaces what was
    there. Another storage is given the whole content in one call and may choose another name.
    """
    storage = archive_storage()
    if isinstance(storage, FileSystemStorage):
        _replace_durably(Path(storage.path(path)), content)
        return path
    return storage.save(path, ContentFile(content))


def read(path: str) -> bytes:
    """A file's bytes. Raises `ArchiveError` if it is not there or cannot be read."""
    try:
        with archive_storage().open(path) as file:
            return bytes(file.read())
    except (OSError, SuspiciousFileOperation) as error:
        raise ArchiveError(f"{path} cannot be read from the archive: {error}") from error


def _replace_durably(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=".archive-", suffix=".part", delete=False
    ) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    # The file's new name is in its folder, which is written of its own.
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
