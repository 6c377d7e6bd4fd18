"""Finding what was left: messages without a cost, totals to be checked."""

from __future__ import annotations

from collections.abc import Sequence

from conversations.batches import batched, id_batches
from conversations.costs import refresh_totals
from conversations.models import Conversation, Message
from jobs import current_job

TOTALS_AT_ONCE = 100


def uncosted_batches(*, limit: int = 1000, chunk: int = 250) -> list[Sequence[int]]:
    """The ids of the oldest messages without a cost, at most `limit`, in lists of `chunk`.

    Raises `ValueError` for a limit or a chunk below 1.
    """
    for name, value in (("limit", limit), ("chunk", chunk)):
        if value < 1:
            raise ValueError(f"{name}: must be at least 1, not {value}")
    ids = Message.objects.uncosted().order_by("pk").values_list("pk", flat=True)[:limit]
    return list(batched(ids, chunk))


def refresh_all_totals() -> int:
    """Compute the totals of every active conversation anew; return how many.

    Holds no more than one batch of ids at a time, so that memory stays flat for any number.
    """
    done = 0
    running = current_job()
    for ids in id_batches(Conversation.objects.active(), TOTALS_AT_ONCE):
        done += refresh_totals(ids)
        if running is not None:
            running.progress(done, message=f"{done} conversations")
    return done
