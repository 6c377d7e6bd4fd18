"""What a job keeps of its steps for the next attempt."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_workflows")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="checkpoint",
            field=models.JSONField(
                blank=True,
                help_text="The steps of its work that are done, for the next attempt; "
                "see jobs.steps.",
                null=True,
            ),
        ),
    ]
