"""What the benchmark asks of a system, be it Jobsite or a peer."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import ClassVar, Literal

from tests.bench import tally

Job = Literal["noop", "write"]

MEASURES = ("drain", "drain_db", "pickup", "enqueue", "enqueue_many", "pss")
"""What is measured; `pickup` gives two figures, p50 and p99."""
OWN_MEASURES = ("drain_aged", "pss_after", "idle", "short_beside_long")
"""What is measured of Jobsite alone, as its targets name it and a peer has nothing to set against
it."""
LONG_MEASURES = ("soak", "redrive")
"""What is measured of Jobsite alone, and only when it is asked for by name."""


EVERY = sys.maxsize
"""As a number of rounds: all that there are."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run happens: servers for the benchmark alone, a fresh database, an empty Redis."""

    postgres: str
    """Address of an empty database."""
    redis: str
    """Address without a database number, which a system chooses (0 to 15)."""
    folder: Path
    tally: Path
    postgres_pid: int = 0

    def environment(self) -> dict[str, str]:
        """What the processes of the run find their way by."""
        return {
            "BENCH_POSTGRES": self.postgres,
            "BENCH_REDIS": self.redis,
            "BENCH_FOLDER": str(self.folder),
            "BENCH_POSTGRES_PID": str(self.postgres_pid),
            tally.VARIABLE: str(self.tally),
        }

    @classmethod
    def of_environment(cls) -> Place:
        return cls(
            os.environ["BENCH_POSTGRES"],
            os.environ["BENCH_REDIS"],
            Path(os.environ["BENCH_FOLDER"]),
            Path(os.environ[tally.VARIABLE]),
            int(os.environ["BENCH_POSTGRES_PID"]),
        )


class System(ABC):
    """A job system with its two jobs, `noop` and `write`, which take a number.

    One instance serves one run: `prepare()`, then enqueueing and workers in the order that the
    measure wants, then `stop()`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions whose versions the results name."""
    records: ClassVar[str]
    """What it keeps of a job that has succeeded."""
    guarantees: ClassVar[str]
    """What becomes of the jobs of a worker that dies."""
    settings: ClassVar[dict[str, object]] = {}
    """What is set otherwise than a new user finds it, and why it had to be."""
    pace: ClassVar[int] = 40_000
    """Jobs per second that it drains on a small machine, roughly; a slow one is given fewer."""
    whole: ClassVar[bool] = False
    """Whether it drains all jobs whatever its pace, because a target is held against it."""
    rounds: ClassVar[int] = 2
    """In how many rounds it takes part unless their number is asked for: in EVERY one where a
    target is held against it, in one where it is a variant of another system."""
    measures: ClassVar[tuple[str, ...]] = MEASURES
    on_request: ClassVar[tuple[str, ...]] = ()
    """What else can be measured of it, when it is asked for by name."""
    takes_many: ClassVar[bool] = True
    """Whether it has a call that enqueues many jobs at once."""

    def __init__(self, place: Place) -> None:
        # Late, as is psycopg: a peer's worker loads this module too, and its memory counts.
        from tests.bench.workers import Workers

        self.place = place
        self.workers = Workers(place.folder / "workers.log", place.environment())

    @abstractmethod
    def prepare(self) -> None:
        """Make tables and whatever else a new installation has."""

    @abstractmethod
    def enqueue_each(self, job: Job, numbers: Sequence[int]) -> None:
        """Enqueue jobs one by one; each is committed before the next."""

    def enqueue_many(self, job: Job, numbers: Sequence[int]) -> None:
        """Enqueue jobs as the system takes them in quickest."""
        raise NotImplementedError(f"{self.title} has no call for many jobs")

    @abstractmethod
    def start_workers(self, processes: int) -> None:
        """Start so many worker processes, and what must run beside them."""

    @abstractmethod
    def recorded(self) -> int:
        """How many jobs the system itself counts as done."""

    def stop(self) -> None:
        self.workers.stop()

    def fill(self, job: Job, numbers: Sequence[int]) -> None:
        """Enqueue jobs where the time it takes does not matter."""
        (self.enqueue_many if self.takes_many else self.enqueue_each)(job, numbers)

    def prepare_writes(self) -> None:
        """Make the table that `write` writes to."""
        import psycopg

        with psycopg.connect(self.place.postgres, autocommit=True) as connection:
            connection.execute("CREATE TABLE bench_write (number integer NOT NULL)")

    def written(self) -> tuple[int, int]:
        """Rows that the jobs have written, and how many numbers are among them."""
        return self.ask("SELECT count(*), count(DISTINCT number) FROM bench_write")

    def ask(self, question: str) -> tuple[int, ...]:
        """One row of the run's PostgreSQL."""
        import psycopg

        with psycopg.connect(self.place.postgres, autocommit=True) as connection:
            row = connection.execute(question.encode()).fetchone()
        assert row is not None
        return tuple(row)

    @classmethod
    def versions(cls) -> dict[str, str]:
        """The versions that run here. Raises PackageNotFoundError for one that is not installed."""
        found = {package: metadata.version(package) for package in cls.packages}
        return {"python": ".".join(map(str, sys.version_info[:3])), **found}
