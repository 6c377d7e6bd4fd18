"""The permission to see the sensitive arguments of jobs."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_failure_groups")]

    operations = [
        migrations.AlterModelOptions(
            name="job",
            options={
                "default_permissions": ("view",),
                "ordering": ("-id",),
                "permissions": (
                    ("dispatch_job", "Can dispatch jobs"),
                    ("cancel_job", "Can cancel jobs"),
                    ("clear_queue", "Can cancel all waiting jobs of a queue"),
                    ("reveal_job", "Can reveal sensitive arguments of jobs"),
                ),
            },
        ),
    ]
