"""The fixtures of the engine's plugin for pytest, as every project has them."""

from __future__ import annotations

from jobs.testing.pytest_plugin import drain_jobs, fake_jobs, frozen_jobs_clock

__all__ = ["drain_jobs", "fake_jobs", "frozen_jobs_clock"]
