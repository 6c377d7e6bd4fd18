"""Tags that are paused, and the jobs that wait for that."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0013_tenants"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TagPause",
            fields=[
                ("tag", models.CharField(max_length=150, primary_key=True, serialize=False)),
                (
                    "paused_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "paused_until",
                    models.DateTimeField(
                        blank=True, help_text="Empty is until it is resumed.", null=True
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        help_text="Shown beside the tag and kept in the audit log.",
                        max_length=200,
                    ),
                ),
                (
                    "paused_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "paused tag",
                "ordering": ("tag",),
                "default_permissions": ("view",),
                "permissions": (("pause_tag", "Can pause and resume tags"),),
                "indexes": [
                    models.Index(
                        "paused_until",
                        name="jobs_tagpause_until",
                        condition=models.Q(("paused_until__isnull", False)),
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TagWait",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="tag_wait",
                        serialize=False,
                        to="jobs.job",
                    ),
                ),
                ("since", models.DateTimeField()),
                (
                    "pause",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="waits",
                        to="jobs.tagpause",
                    ),
                ),
            ],
            options={"ordering": ("job",), "default_permissions": ()},
        ),
    ]
