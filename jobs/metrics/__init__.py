"""The figures of the engine in one place: what waits, what failed, how fast, how well; what is now,
and what was. Admin, commands, health checks, JSON and Prometheus all ask here."""

from jobs.metrics.counting import BoundedCount
from jobs.metrics.figures import Figures
from jobs.metrics.histogram import Histogram
from jobs.metrics.history import Point, Window, course, courses_by, figures
from jobs.metrics.now import (
    average_processing_time,
    failed_count,
    failure_rates,
    jobs_by_state,
    jobs_processed_today,
    pending_count,
    throughput,
)
from jobs.metrics.queues import QueueStats, queue_sizes, queue_stats, queue_wait
from jobs.metrics.workers import WorkerStatus, worker_status

__all__ = [
    "BoundedCount",
    "Figures",
    "Histogram",
    "Point",
    "QueueStats",
    "Window",
    "WorkerStatus",
    "average_processing_time",
    "course",
    "courses_by",
    "failed_count",
    "failure_rates",
    "figures",
    "jobs_by_state",
    "jobs_processed_today",
    "pending_count",
    "queue_sizes",
    "queue_stats",
    "queue_wait",
    "throughput",
    "worker_status",
]
