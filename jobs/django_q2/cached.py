"""Results that old calls keep in the cache: alone, by group, or as one of an `async_iter`.

The cache's keys and signed packages are django-q2's, since its own functions read them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.core.cache import BaseCache
from django.db import connections, transaction
from django_q.brokers import Broker
from django_q.signing import SignedPackage

from jobs.conf import settings
from jobs.django_q2.calls import OldCall
from jobs.django_q2.rows import Ending, save_row
from jobs.exceptions import JobsError


class CachedResultLost(JobsError):
    """A cached result that others wait for is no longer in the cache, or no cache is configured."""


def save(call: OldCall, ending: Ending) -> None:
    """Put a result into the cache, and into the list of its group.

    The last one of an `async_iter` collects all of them into one result of the group. Raises
    CachedResultLost if the cache has dropped one of those.
    """
    cache = Broker.get_cache()
    if cache is None:
        raise CachedResultLost("Q_CLUSTER['cache'] names no cache of this site")
    options = call.options
    place, timeout = f"{options.key}:{options.id}", _timeout(options.cached)
    if options.group is None:
        cache.set(place, _package(call, ending), timeout)
        return
    members = f"{options.key}:{options.group}:keys"
    with _one_at_a_time(members):
        cache.set(place, _package(call, ending), timeout)
        places = cache.get(members) or []
        if place not in places:
            places.append(place)
        if options.iter_count and len(places) >= options.iter_count:
            _collect(cache, call, places)
            cache.delete_many([*places, members])
        else:
            cache.set(members, places, timeout)


def _collect(cache: BaseCache, call: OldCall, places: list[str]) -> None:
    options = call.options
    arguments = f"{options.key}:{options.group}:args"
    tasks = [_load(cache, place) for place in places]
    ending = Ending(
        success=all(task["success"] for task in tasks),
        result=[task["result"] for task in tasks],
        started=min(task["started"] for task in tasks),
        stopped=max(task["stopped"] for task in tasks),
    )
    whole = replace(
        call,
        args=list(_load(cache, arguments)),
        kwargs={},
        options=replace(
            options,
            id=str(options.group),
            group=None,
            hook=None,
            cached=options.iter_cached,
            iter_count=0,
            iter_cached=None,
        ),
    )
    if whole.options.cached:
        save(whole, ending)
    else:
        save_row(whole, ending)
    cache.delete(arguments)


def _load(cache: BaseCache, place: str) -> Any:
    package = cache.get(place)
    if package is None:
        raise CachedResultLost(f"{place} is no longer in the cache; is it shared and large enough?")
    return SignedPackage.loads(package)


def _package(call: OldCall, ending: Ending) -> str:
    return str(
        SignedPackage.dumps(
            {
                **call.as_task(),
                "result": ending.result,
                "success": ending.success,
                "started": ending.started,
                "stopped": ending.stopped,
            }
        )
    )


def _timeout(cached: bool | float | None) -> float | None:
    """Seconds; None, as the cache understands it, is for ever."""
    return None if cached is True else cached


@contextmanager
def _one_at_a_time(name: str) -> Iterator[None]:
    """Let one process at a time run the block for this name.

    A cache has no way to append, and two workers that end at once would lose one of their results.
    The database gives the lock, and frees it when its holder dies.
    """
    with transaction.atomic(using=settings.DATABASE):
        connection = connections[settings.DATABASE]
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
                number = int.from_bytes(digest, signed=True)
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
            else:
                # SQLite has one writer at a time, and a write that changes nothing makes us it.
                cursor.execute("UPDATE jobs_lease SET name = name WHERE name = ''")
        yield
