"""The figures for Prometheus, as its own client library writes them.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from jobs.conf import settings as conf
from jobs.metrics.figures import Figures, add_up
from jobs.metrics.histogram import Histogram
from jobs.metrics.queues import QueueStats, queue_stats
from jobs.metrics.workers import worker_status
from jobs.models import JobMetric, MetricLevel

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
"""Of the buckets, in seconds. Ours are finer; one that a bound divides counts above it."""
CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition() -> bytes:
    """All figures, in the text format."""
    registry = CollectorRegistry()
    registry.register(_Jobs())
    return generate_latest(registry)


class _Jobs(Collector):
    """Reads the figures when it is asked for them."""

    def collect(self) -> Iterable[Metric]:
        yield from _of_queues(queue_stats())
        yield from _of_workers()
        yield from _of_the_past()


def _of_queues(stats: Sequence[QueueStats]) -> Iterator[Metric]:
    jobs = GaugeMetricFamily(
        "jobs_waiting", "Jobs that have not ended, up to 10,000.", labels=["queue", "state"]
    )
    wait = GaugeMetricFamily(
        "jobs_oldest_ready_seconds", "How long the oldest ready job has waited.", labels=["queue"]
    )
    paused = GaugeMetricFamily("jobs_queue_paused", "1 while it is.", labels=["queue"])
    dead = GaugeMetricFamily(
        "jobs_dead", "Failed jobs that nobody has dealt with, up to 10,000.", labels=["queue"]
    )
    for one in stats:
        for state in ("ready", "scheduled", "blocked", "running"):
            jobs.add_metric([one.name, state], getattr(one, state))
        wait.add_metric([one.name], one.wait.total_seconds() if one.wait else 0)
        paused.add_metric([one.name], one.paused)
        dead.add_metric([one.name], one.dead)
    yield from (jobs, wait, paused, dead)


def _of_workers() -> Iterator[Metric]:
    status = worker_status()
    workers = GaugeMetricFamily("jobs_workers", "Processes of live clusters.", labels=["state"])
    workers.add_metric(["busy"], status.busy)
    workers.add_metric(["idle"], status.idle)
    clusters = GaugeMetricFamily("jobs_clusters", "Clusters by their state.", labels=["state"])
    clusters.add_metric(["live"], len(status.clusters) - len(status.silent))
    clusters.add_metric(["silent"], len(status.silent))
    yield from (workers, clusters)


def _of_the_past() -> Iterator[Metric]:
    labels = ["queue", "definition"]
    ended = CounterMetricFamily("jobs_ended", "Jobs that ended.", labels=[*labels, "state"])
    came = CounterMetricFamily("jobs_enqueued", "Jobs that came.", labels=labels)
    retried = CounterMetricFamily(
        "jobs_retried", "Attempts that failed, and whose job went on.", labels=labels
    )
    wait = HistogramMetricFamily(
        "jobs_wait_seconds", "From ready to the start of the last attempt.", labels=labels
    )
    run = HistogramMetricFamily("jobs_run_seconds", "Of the last attempt.", labels=labels)
    for pair, figures in sorted(_ever().items()):
        came.add_metric(pair, figures.enqueued)
        retried.add_metric(pair, figures.retried)
        for state in ("succeeded", "failed", "cancelled"):
            ended.add_metric([*pair, state], getattr(figures, state))
        wait.add_metric(pair, _cumulative(figures.wait), figures.wait_seconds)
        run.add_metric(pair, _cumulative(figures.run), figures.run_seconds)
    yield from (came, ended, retried, wait, run)


def _ever() -> dict[tuple[str, str], Figures]:
    rows = JobMetric.objects.using(conf.DATABASE).filter(level=MetricLevel.EVER)
    return add_up(rows.order_by(), lambda row: (row.queue, row.definition))


def _cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    buckets = histogram.buckets()
    found = [
        (str(float(bound)), float(sum(count for upper, count in buckets if upper <= bound)))
        for bound in BOUNDS
    ]
    return [*found, ("+Inf", float(histogram.count))]
