"""Letting somebody die in the middle of something, without a process."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobs.cluster.slot import Slot


class Died(Exception):
    """Whoever was at it was killed here."""


def die(*args: object, **options: object) -> None:
    raise Died


@contextmanager
def instead(target: object, name: str, what: object) -> Iterator[None]:
    """Have something else there in the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, name, what)
        yield


def half_a_begin(slot: Slot, *args: object) -> None:
    """What a worker leaves in its slot that is killed while it writes there."""
    slot._cells[0] += 1
    raise Died


def no_room(*args: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")
