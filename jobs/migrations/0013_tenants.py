"""Tenants that share queues."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0012_signals")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="tenant",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="For whom it is: tenants share the queues of JOBS_FAIR_QUEUES.",
                max_length=64,
            ),
        ),
        migrations.AlterField(
            model_name="job",
            name="claim_rank",
            field=models.BigIntegerField(
                editable=False,
                help_text="Priority, and deadline or turn, as one sort key; see ledger/order.py.",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                "queue",
                "tenant",
                "claim_rank",
                name="jobs_job_tenant",
                condition=models.Q(("state", "ready"), ("tenant__gt", "")),
            ),
        ),
        migrations.AddField(
            model_name="failedjob",
            name="tenant",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.CreateModel(
            name="TenantShare",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("tenant", models.CharField(help_text="As the jobs name it.", max_length=64)),
                (
                    "queue",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Empty is every queue without its own row.",
                        max_length=64,
                    ),
                ),
                (
                    "weight",
                    models.PositiveSmallIntegerField(
                        help_text="1 to 100: so many of its jobs start in each round.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                ("notes", models.TextField(blank=True)),
            ],
            options={
                "ordering": ("tenant", "queue"),
                "constraints": [
                    models.UniqueConstraint(
                        models.F("tenant"),
                        models.F("queue"),
                        name="jobs_tenantshare_once",
                        violation_error_message="This tenant has a weight on this queue already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("weight__gte", 1), ("weight__lte", 100)),
                        name="jobs_tenantshare_weight",
                    ),
                ],
            },
        ),
    ]
