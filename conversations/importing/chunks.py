"""A log in chunks: which bytes of the file each job reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conversations.exceptions import ImportSourceChanged

LINES_IN_A_CHUNK = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """`lines` lines of a file from byte `offset` on, the first of them number `first_line`."""

    path: str
    offset: int
    length: int
    first_line: int
    lines: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def chunks_of(path: Path, lines: int = LINES_IN_A_CHUNK) -> Iterator[Chunk]:
    """Cut a log into chunks of at most `lines` lines, reading it once.

    The paths are absolute: a worker has another working directory. Raises `OSError`.
    """
    whole = str(path.resolve())
    with path.open("rb") as file:
        offset, first_line = 0, 1
        length, count, digest = 0, 0, hashlib.sha256()
        for line in file:
            digest.update(line)
            length += len(line)
            count += 1
            if count == lines:
                yield _chunk(whole, offset, length, first_line, count, digest.hexdigest())
                offset, first_line = offset + length, first_line + count
                length, count, digest = 0, 0, hashlib.sha256()
        if count:
            yield _chunk(whole, offset, length, first_line, count, digest.hexdigest())


def read_chunk(chunk: Chunk) -> list[tuple[int, bytes]]:
    """The lines of a chunk with their numbers, blank ones left out.

    Raises `ImportSourceChanged` if the file is not to be read here, or is not what it was.
    """
    try:
        with Path(chunk.path).open("rb") as file:
            file.seek(chunk.offset)
            content = file.read(chunk.length)
    except OSError as error:
        raise ImportSourceChanged(f"path: must be readable by the workers ({error})") from error
    if hashlib.sha256(content).hexdigest() != chunk.sha256:
        raise ImportSourceChanged(
            f"path: {chunk.path} changed after its import began; run the import again"
        )
    numbered = enumerate(content.splitlines(keepends=True), start=chunk.first_line)
    return [(number, line) for number, line in numbered if line.strip()]


def _chunk(path: str, offset: int, length: int, first_line: int, lines: int, sha256: str) -> Chunk:
    return Chunk(
        path=path,
        offset=offset,
        length=length,
        first_line=first_line,
        lines=lines,
        sha256=sha256,
    )
