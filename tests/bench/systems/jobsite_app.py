"""The benchmark's jobs as those of an app: loaded with the site, as every app's are."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class BenchmarkConfig(AppConfig):
    name = "tests.bench.systems"
    label = "benchmark"

    def ready(self) -> None:
        import_module("tests.bench.systems.jobsite_jobs")
