"""Fixtures for pytest: `fake_jobs`, `drain_jobs` and `frozen_jobs_clock`.

pytest loads this in every project that has the package installed. So nothing of Django is imported
here before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jobs.testing import Drained, FakeJobs, FrozenClock


@pytest.fixture
def fake_jobs() -> Iterator[FakeJobs]:
    """Records the jobs that the test enqueues, in place of inserting them."""
    from jobs.testing import fake_jobs

    with fake_jobs() as fake:
        yield fake


@pytest.fixture
def drain_jobs() -> Callable[..., Drained]:
    """`jobs.testing.drain`; the test needs a database, as by the fixture `db`."""
    from jobs.testing import drain

    return drain


@pytest.fixture
def frozen_jobs_clock() -> Iterator[FrozenClock]:
    """A clock that stands still until the test moves it; see `jobs.testing.frozen_clock`."""
    from jobs.testing import frozen_clock

    with frozen_clock() as clock:
        yield clock
