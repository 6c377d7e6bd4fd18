"""Runs the adapted tests in a process of its own and prints how each ended, as JSON.

`python -m tests.jobs.framework.run FOLDER`, where FOLDER holds the package `tasks`.
"""

from __future__ import annotations

import json
import sys
import unittest
from typing import Any

import django
from django.test.runner import DiscoverRunner


class RecordingResult(unittest.TextTestResult):
    """Keeps the last lines of each failure."""

    failures_by_test: dict[str, str] = {}
    ran: list[str] = []

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.ran.append(test.id())

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self._keep(test, err)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self._keep(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._keep(test, err)

    def _keep(self, test: unittest.TestCase, err: Any) -> None:
        self.failures_by_test[test.id()] = f"{err[0].__name__}: {err[1]}"[:500]


class Runner(DiscoverRunner):
    def get_resultclass(self) -> Any:
        return RecordingResult

    def teardown_databases(self, old_config: Any, **kwargs: Any) -> None:
        """The database goes with its server or folder; threads of the async tests still hold it."""


def main(folder: str) -> None:
    sys.path.insert(0, folder)
    django.setup()
    Runner(verbosity=0, interactive=False, top_level=folder).run_tests(["tasks"])
    print(
        json.dumps({"ran": RecordingResult.ran, "failed": RecordingResult.failures_by_test}),
    )


if __name__ == "__main__":
    main(sys.argv[1])
