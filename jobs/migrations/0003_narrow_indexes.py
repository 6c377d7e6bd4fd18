"""Indexes that a job's claim leaves alone: fewer entries to write for each job.

An update that changes an indexed column, or one in an index's condition, writes an entry to every
index that holds the row. The indexes of definitions and queues held each job in all states, so that
one job wrote six entries into them; now it is four. See `docs/ledger.md`.
"""

from django.db import migrations, models

NOT_RUNNING = models.Q(("state", "running"), _negated=True)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_storage_parameters")]

    operations = [
        migrations.RemoveIndex(model_name="cluster", name="jobs_cluster_heartbeat"),
        migrations.RemoveIndex(model_name="job", name="jobs_job_finished"),
        migrations.RemoveIndex(model_name="job", name="jobs_job_definition"),
        migrations.RemoveIndex(model_name="job", name="jobs_job_queue"),
        migrations.AddIndex(
            model_name="cluster",
            index=models.Index(models.F("status"), name="jobs_cluster_status"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                models.F("state"),
                models.F("finished_at"),
                condition=models.Q(("finished_at__isnull", False)),
                name="jobs_job_finished",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                models.F("definition"),
                models.F("state"),
                models.F("enqueued_at"),
                models.F("id"),
                condition=NOT_RUNNING,
                name="jobs_job_definition",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                models.F("queue"),
                models.F("state"),
                models.F("enqueued_at"),
                models.F("id"),
                condition=NOT_RUNNING,
                name="jobs_job_queue",
            ),
        ),
    ]
