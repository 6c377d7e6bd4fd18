"""Steps of workflows that wait for a signal."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0011_release")]

    operations = [
        migrations.AlterModelOptions(
            name="workflow",
            options={
                "default_permissions": ("view",),
                "ordering": ("-id",),
                "permissions": (
                    ("approve_step", "Can approve and reject steps of workflows"),
                    ("cancel_workflow", "Can cancel workflows"),
                    ("retry_workflow", "Can retry the failures of workflows"),
                    ("signal_step", "Can send signals to steps of workflows"),
                ),
            },
        ),
        migrations.AddField(
            model_name="step",
            name="payload",
            field=models.JSONField(help_text="What came with a signal.", null=True),
        ),
        migrations.AlterField(
            model_name="step",
            name="decided_at",
            field=models.DateTimeField(
                help_text="Of a signal when it came, which may be before the step has begun.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="step",
            name="kind",
            field=models.CharField(
                choices=[
                    ("job", "Job"),
                    ("workflow", "Workflow"),
                    ("approval", "Approval"),
                    ("signal", "Signal"),
                    ("timer", "Timer"),
                ],
                max_length=8,
            ),
        ),
        migrations.RemoveIndex(model_name="step", name="jobs_step_approval"),
        migrations.AddIndex(
            model_name="step",
            index=models.Index(
                "state",
                "id",
                condition=models.Q(("kind__in", ("approval", "signal"))),
                name="jobs_step_approval",
            ),
        ),
    ]
