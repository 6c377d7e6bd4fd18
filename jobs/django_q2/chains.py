"""The links of a chain: each a call of its own, all of them known when the first is enqueued."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django_q.brokers import Broker
from django_q.signing import SignedPackage
from django_q.tasks import async_task


def links(task: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the tasks of a chain in order: the given first one, and those it carries.

    As in django-q2 a link is a function, or a tuple of a function, its arguments and its keyword
    arguments with the options among them; the chain's group and caching hold for every link.
    """
    rest: Sequence[Any] = task.get("chain") or ()
    collected = [task]
    broker = _Collector(key, collected)
    for link in rest:
        parts = link if isinstance(link, list | tuple) else (link,)
        args = parts[1] if len(parts) > 1 else ()
        kwargs = parts[2] if len(parts) > 2 else {}
        async_task(parts[0], *args, **_options(kwargs, task, broker))
    return collected


def _options(kwargs: dict[str, Any], task: dict[str, Any], broker: Broker) -> dict[str, Any]:
    options = {
        "group": task.get("group"), "cached": task.get("cached"), "sync": False, "broker": broker
    }  # fmt: skip
    if "q_options" in kwargs:
        # There they have to be: where both places are used, django-q2 passes one to the function.
        return {**kwargs, "q_options": {**kwargs["q_options"], **options}}
    return {**kwargs, **options}


class _Collector(Broker):  # type: ignore[misc]
    """Lets `async_task` read a link as it reads any call, and keeps the task that it makes."""

    def __init__(self, key: str, collected: list[dict[str, Any]]) -> None:
        super().__init__(key)
        self.collected = collected

    def enqueue(self, task: str) -> int:
        self.collected.append(SignedPackage.loads(task))
        return len(self.collected)
