"""Time-ordered ids."""

from __future__ import annotations

import os
import time

from jobs.identifiers import uuid7


def test_ids_of_one_process_strictly_increase() -> None:
    ids = [uuid7() for _ in range(20_000)]
    assert ids == sorted(set(ids))


def test_an_id_is_a_version_7_uuid_of_its_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    # Counting up within a tick may run ahead of the clock, by microseconds.
    assert before <= made.int >> 80 <= after + 10


def test_a_forked_child_makes_other_ids() -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, uuid7().bytes)
        os._exit(0)
    own = uuid7()
    os.waitpid(pid, 0)
    assert os.read(reader, 16) != own.bytes
    os.close(reader)
    os.close(writer)
