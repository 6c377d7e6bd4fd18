"""Imports: many files at once, and signals that tell how it went."""

from __future__ import annotations

from django.dispatch import Signal

from jobs import batch, current_job, job
from jobs.workflows.handles import WorkflowHandle

import_completed = Signal()
import_failed = Signal()
import_finished = Signal()

FILES: dict[int, list[str]] = {}
"""Stands for your files, by number."""

ROWS: list[str] = []
"""Stands for your table."""


@job
def import_file(number: int) -> int:
    """Read one file. One that names another adds it to the batch while this runs."""
    running = current_job()
    for row in FILES[number]:
        if row.startswith("see file "):
            assert running is not None
            assert running.batch is not None
            running.batch.add([import_file.s(int(row.removeprefix("see file ")))])
        else:
            ROWS.append(row)
    return len(FILES[number])


@job
def tell(what: str, batch_id: str = "", failed_job_id: str | None = None) -> None:
    """Send the signal of this name; a callback, so once and after the commit."""
    signals = {"completed": import_completed, "failed": import_failed, "finished": import_finished}
    signals[what].send_robust(sender=tell, batch_id=batch_id, failed_job_id=failed_job_id)


def import_files(*numbers: int) -> WorkflowHandle:
    """Import these files side by side."""
    return batch(
        [import_file.s(number) for number in numbers],
        name="import",
        then=tell.s("completed"),
        catch=tell.s("failed"),
        finally_=tell.s("finished"),
    ).enqueue()
