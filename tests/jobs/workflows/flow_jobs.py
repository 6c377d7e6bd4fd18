"""Job definitions for the tests of workflows."""

from __future__ import annotations

from typing import Any

from jobs import Unique, current_job, job, workflow

ran: list[Any] = []
"""What ran in this process."""
broken: set[Any] = set()
"""What fails when it runs."""


@job
def say(word: str) -> str:
    ran.append(word)
    if word in broken:
        raise ValueError(word)
    return word.upper()


@job(queue_name="low", tags=["told"])
def tell(word: str, batch_id: str = "", workflow_id: str = "") -> None:
    ran.append((word, batch_id or workflow_id))


@job
def caught(word: str, failed_job_id: str | None) -> None:
    ran.append((word, failed_job_id))


@job
def add(first: int, second: int = 0) -> int:
    ran.append((first, second))
    return first + second


@job
def total(numbers: list[int]) -> int:
    return sum(numbers)


@job
def joined(*words: str) -> str:
    ran.append(words)
    return " ".join(words)


@job(max_attempts=3, backoff=0)
def second_time(word: str) -> None:
    running = current_job()
    assert running is not None
    if running.attempt == 1:
        raise ValueError(word)
    ran.append(word)


@job
def grows(count: int) -> None:
    running = current_job()
    assert running is not None
    batch = running.batch
    assert batch is not None
    batch.add([say.s(f"added {number}") for number in range(count)])
    ran.append("grew")


@job(middleware=[Unique()])
def only_once(word: str) -> None:
    ran.append(word)


@job
def appends(*words: str) -> str:
    running = current_job()
    assert running is not None
    assert running.chain is not None
    ran.append("appends")
    running.chain.append(*[say.s(word) for word in words])
    return "APPENDS"


@job
def prepends(*words: str) -> str:
    running = current_job()
    assert running is not None
    assert running.chain is not None
    ran.append("prepends")
    running.chain.prepend(*[say.s(word) for word in words])
    return "PREPENDS"


@job
def fans_out(words: list[str], before: list[str], fails: bool = False) -> list[str]:
    """Have each word said by a step of its own, before others go on."""
    running = current_job()
    assert running is not None
    assert running.workflow is not None
    graph = workflow()
    for word in words:
        graph = graph.step(f"say {word}", say.s(word), after=["find"])
    running.workflow.extend(graph, before=before)
    if fails:
        raise ValueError("after it had grown")
    return words


@job
def keep(*values: Any) -> None:
    ran.append(values)
