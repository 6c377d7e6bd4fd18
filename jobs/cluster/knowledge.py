"""Which definitions this worker's code does not know."""

from __future__ import annotations

import datetime as dt
import logging
import time

from jobs import registry
from jobs.conf import settings as conf
from jobs.models import Worker

logger = logging.getLogger("jobs.cluster")


class Unknown:
    """Definitions that could not be found, so that their jobs are left to workers that can.

    Each is looked for again after `retry_after`: a module may have failed to import only once.
    """

    def __init__(self, retry_after: dt.timedelta = dt.timedelta(minutes=1)) -> None:
        self._retry_after = retry_after.total_seconds()
        self._since: dict[str, float] = {}
        self._published: list[str] = []

    def knows(self, definition: str) -> bool:
        """Whether this code can run the definition; if not, remember that."""
        if registry.find(definition) is not None:
            return True
        if definition not in self._since:
            # Once, and not for each job of a claim.
            logger.warning("%s is unknown to this worker's code; its jobs stay ready", definition)
        self._since[definition] = time.monotonic()
        return False

    def names(self) -> list[str]:
        """The definitions not to claim now, sorted."""
        forgotten = time.monotonic() - self._retry_after
        self._since = {name: since for name, since in self._since.items() if since > forgotten}
        return sorted(self._since)

    def publish(self, worker_id: int) -> None:
        """Write the list into the worker's row, if it has changed."""
        names = self.names()
        if names != self._published:
            row = Worker.objects.using(conf.DATABASE).filter(pk=worker_id)
            row.update(unknown_definitions=names)
            self._published = names
