"""Bulk operations that can be watched and stopped, failed jobs that are forgotten but can be
restored for a while, and those that run again by the rule of their definition.

The indexes of failed jobs hold only those that were not forgotten: a million that wait for their
deletion must cost the lists nothing.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

KEPT = models.Q(("forgotten_at__isnull", True))
UNRETRIED = models.Q(("forgotten_at__isnull", True), ("retried_at__isnull", True))
FAILED_AT = models.OrderBy(models.F("failed_at"), descending=True)
ID = models.OrderBy(models.F("id"), descending=True)
NARROWED = (
    "jobs_failed_at",
    "jobs_failed_queue",
    "jobs_failed_definition",
    "jobs_failed_fingerprint",
    "jobs_failed_exception",
    "jobs_failed_unretried",
)
INDEXES = (
    models.Index(FAILED_AT, ID, condition=KEPT, name="jobs_failed_at"),
    models.Index(models.F("queue"), FAILED_AT, condition=KEPT, name="jobs_failed_queue"),
    models.Index(models.F("definition"), FAILED_AT, condition=KEPT, name="jobs_failed_definition"),
    models.Index(
        models.F("fingerprint"), FAILED_AT, condition=KEPT, name="jobs_failed_fingerprint"
    ),
    models.Index(
        models.F("exception_class"), FAILED_AT, condition=KEPT, name="jobs_failed_exception"
    ),
    models.Index(FAILED_AT, condition=UNRETRIED, name="jobs_failed_unretried"),
    models.Index(models.F("queue"), condition=UNRETRIED, name="jobs_failed_dead"),
    models.Index(
        models.F("recover_at"),
        condition=models.Q(
            ("forgotten_at__isnull", True),
            ("recover_at__isnull", False),
            ("retried_at__isnull", True),
        ),
        name="jobs_failed_recover",
    ),
    models.Index(
        models.OrderBy(models.F("forgotten_at"), descending=True),
        ID,
        condition=models.Q(("forgotten_at__isnull", False)),
        name="jobs_failed_forgotten",
    ),
)


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("jobs", "0005_limits"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="failedjob",
            options={
                "default_permissions": ("view",),
                "ordering": ("-failed_at", "-id"),
                "permissions": (
                    ("retry_failedjob", "Can retry failed jobs"),
                    ("forget_failedjob", "Can forget selected failed jobs"),
                    ("flush_failedjob", "Can flush all failed jobs that match a filter"),
                    ("restore_failedjob", "Can restore failed jobs that were forgotten"),
                ),
            },
        ),
        migrations.AddField(
            model_name="failedjob",
            name="recoveries",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="How often the rule of its definition has run its line of retries again.",
            ),
        ),
        migrations.AddField(
            model_name="failedjob",
            name="recover_at",
            field=models.DateTimeField(
                blank=True, help_text="When the rule of its definition runs it again.", null=True
            ),
        ),
        migrations.AddField(
            model_name="failedjob",
            name="forgotten_at",
            field=models.DateTimeField(
                blank=True, help_text="Since when it is hidden, until it is deleted.", null=True
            ),
        ),
        migrations.AddField(
            model_name="failedjob",
            name="forgotten_in",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                help_text="The audit entry that tells who has forgotten it.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="jobs.auditentry",
            ),
        ),
        *(migrations.RemoveIndex(model_name="failedjob", name=name) for name in NARROWED),
        *(migrations.AddIndex(model_name="failedjob", index=index) for index in INDEXES),
        migrations.CreateModel(
            name="ForgottenFailedJob",
            fields=[],
            options={
                "verbose_name": "forgotten failed job",
                "ordering": ("-forgotten_at", "-id"),
                "default_permissions": (),
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("jobs.failedjob",),
        ),
        migrations.CreateModel(
            name="BulkOperation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("retry", "Retry")], default="retry", max_length=10
                    ),
                ),
                ("scope", models.JSONField(help_text="Which rows; see failures/scope.py.")),
                ("words", models.TextField(help_text="The same for people.")),
                (
                    "rate",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="So many a second at the most; empty is no limit.",
                        null=True,
                    ),
                ),
                (
                    "cursor",
                    models.UUIDField(
                        blank=True, help_text="The last failed job that was looked at.", null=True
                    ),
                ),
                (
                    "bound",
                    models.UUIDField(
                        blank=True,
                        help_text="The last failed job that there was at the start.",
                        null=True,
                    ),
                ),
                (
                    "batch",
                    models.PositiveSmallIntegerField(
                        help_text="Rows in the next transaction: fewer where the last one was slow."
                    ),
                ),
                (
                    "total",
                    models.PositiveIntegerField(help_text="How many matched at the start."),
                ),
                (
                    "total_is_capped",
                    models.BooleanField(
                        default=False, help_text="Whether there were more than were counted."
                    ),
                ),
                ("done", models.PositiveIntegerField(default=0)),
                (
                    "skipped",
                    models.PositiveIntegerField(
                        default=0, help_text="Retried meanwhile by somebody else, or gone."
                    ),
                ),
                (
                    "refused",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="How many could not be retried, by the reason.",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("stopped", "Stopped"),
                            ("finished", "Finished"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                (
                    "error",
                    models.TextField(blank=True, help_text="What broke it, if something did."),
                ),
                ("started_by_name", models.CharField(max_length=150)),
                ("reason", models.TextField(blank=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "started_at",
                    models.DateTimeField(
                        blank=True, help_text="When its first batch was asked for.", null=True
                    ),
                ),
                (
                    "advanced_at",
                    models.DateTimeField(
                        blank=True, help_text="Up to when the rate has given leave.", null=True
                    ),
                ),
                (
                    "allowance",
                    models.FloatField(
                        default=0, help_text="What the rate has given leave for and was not used."
                    ),
                ),
                (
                    "finished_at",
                    models.DateTimeField(
                        blank=True, help_text="When it ended, was stopped or broke.", null=True
                    ),
                ),
                (
                    "audit_entry",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="jobs.auditentry",
                    ),
                ),
                (
                    "started_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "permissions": (("stop_bulkoperation", "Can stop bulk operations"),),
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        models.F("id"),
                        condition=models.Q(("state__in", ("waiting", "running"))),
                        name="jobs_bulk_active",
                    )
                ],
            },
        ),
    ]
