"""Which release of the site clusters run, and with which one failures of a cause began."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_checkpoint")]

    operations = [
        migrations.AddField(
            model_name="cluster",
            name="release",
            field=models.CharField(
                blank=True, db_default="", help_text="The site's JOBS_RELEASE.", max_length=100
            ),
        ),
        migrations.AddField(
            model_name="failuregroup",
            name="release",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="The site's JOBS_RELEASE where failures opened it, at first or again.",
                max_length=100,
            ),
        ),
    ]
