"""Time-ordered ids."""

from __future__ import annotations

import datetime as dt
import os
import time
from concurrent.futures import ThreadPoolExecutor

from jobs.identifiers import uuid7, uuid7_floor, uuid7_moment, uuid7s


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


def test_an_id_tells_the_millisecond_in_which_it_was_made() -> None:
    moment = dt.datetime(2026, 11, 28, 12, 30, 15, 123_000, dt.UTC)
    assert uuid7_moment(uuid7_floor(moment)) == moment


def test_ids_made_at_once_lie_between_those_made_before_and_after() -> None:
    first, *many, last = [uuid7(), *uuid7s(5000), uuid7()]
    assert [first, *many, last] == sorted({first, *many, last})
    assert {(one.version, one.variant) for one in many} == {(7, "specified in RFC 4122")}
    assert uuid7s(0) == []


def test_a_thousand_ids_made_at_once_run_ahead_of_the_clock_by_a_quarter_of_a_millisecond() -> None:
    first, *_, last = uuid7s(1000)
    ticks = [(one.int >> 80) * 4096 + (one.int >> 64 & 0xFFF) for one in (first, last)]
    assert ticks[1] - ticks[0] == 999


def test_threads_make_different_ids() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: uuid7s(500), range(40)))
    assert len({one for some in made for one in some}) == 40 * 500


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
