"""Bell: with which a worker wakes its sentinel."""

from __future__ import annotations

import mmap

from jobs.cluster.wake import Wake


class Bell:
    """Heard while the sentinel sleeps for long, as it does when there is nothing to watch closely.

    For the sentinel and the processes forked after it was made. A ring costs nothing while the
    sentinel looks often anyway; one that comes just as it falls asleep may be missed, and is then
    made up for by its next look.
    """

    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self._sleeps = mmap.mmap(-1, 1)

    def listen(self, wanted: bool) -> None:
        """Say whether rings are wanted from now on. By the sentinel."""
        self._sleeps[0] = wanted

    def ring(self) -> None:
        """Wake the sentinel, if it sleeps. By a worker."""
        if self._sleeps[0]:
            self._sleeps[0] = False
            self._wake.poke()
