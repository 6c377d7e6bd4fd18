"""The site as it is installed, apart from where it keeps its state."""

from __future__ import annotations

import os

os.environ["JOBSITE_ENV_FILE"] = os.devnull
os.environ["SECRET_KEY"] = "only the processes of one benchmark share this, for some minutes"
os.environ["VAR_DIR"] = os.environ["BENCH_FOLDER"]
os.environ["LOG_LEVEL"] = "WARNING"

from jobsite.settings import *  # noqa: F403

if "BENCH_RETENTION" in os.environ:
    JOBS_RETENTION = {"succeeded": float(os.environ["BENCH_RETENTION"])}

INSTALLED_APPS = [*INSTALLED_APPS, "tests.bench.systems.jobsite_app.BenchmarkConfig"]  # noqa: F405
