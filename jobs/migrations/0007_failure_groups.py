"""Failure groups with the failed jobs that there are, and notifications.

A site of old has failed jobs already: each group is made from them with one statement, and what is
told of its cause from the first of its failures.
"""

import datetime

from django.db import migrations, models

FIRSTS = """
SELECT failed.*,
    COUNT(*) OVER (PARTITION BY fingerprint) AS many,
    MAX(failed_at) OVER (PARTITION BY fingerprint) AS latest,
    ROW_NUMBER() OVER (PARTITION BY fingerprint ORDER BY failed_at, id) AS place
FROM jobs_failedjob AS failed
"""

MADE = f"""
INSERT INTO jobs_failuregroup (
    fingerprint, exception_class, message, site, definition, queue, count, first_seen, last_seen,
    status, reopened, resolved_by, note
)
SELECT fingerprint, exception_class, '', '', definition, queue, many, failed_at, latest,
    'open', 0, '', ''
FROM ({FIRSTS}) AS firsts
WHERE place = 1
"""

TOLD = f"""
SELECT fingerprint, exception_class, message, traceback FROM ({FIRSTS}) AS firsts WHERE place = 1
"""


def group_what_has_failed(apps, schema_editor):
    # The words in which the ledger tells of a cause, so that old groups read like new ones.
    from jobs.failures.fingerprint import cause_of

    with schema_editor.connection.cursor() as cursor:
        cursor.execute(MADE)
        cursor.execute(TOLD)
        firsts = {row[0]: cause_of(*row[1:]) for row in cursor.fetchall()}
    groups = apps.get_model("jobs", "FailureGroup").objects.using(schema_editor.connection.alias)
    rows = list(groups.all())
    for row in rows:
        row.message, row.site = firsts[row.pk].message, firsts[row.pk].site[:300]
    groups.bulk_update(rows, ["message", "site"], batch_size=200)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0006_bulk_operations")]

    operations = [
        migrations.AddIndex(
            model_name="failedjob",
            index=models.Index(
                models.F("fingerprint"), models.F("queue"), models.F("definition"),
                name="jobs_failed_group",
                condition=models.Q(forgotten_at__isnull=True),
            ),
        ),
        migrations.CreateModel(
            name="FailureGroup",
            fields=[
                ("fingerprint", models.CharField(editable=False, max_length=32, primary_key=True, serialize=False)),
                ("exception_class", models.CharField(blank=True, max_length=200)),
                ("message", models.TextField(blank=True, help_text="The first line of the message, with ? for each value in it.")),
                ("site", models.CharField(blank=True, help_text="The innermost frame of the site's own code.", max_length=300)),
                ("definition", models.CharField(help_text="Of the first of these failures.", max_length=200)),
                ("queue", models.CharField(help_text="Of the first of these failures.", max_length=64)),
                ("count", models.PositiveBigIntegerField(default=0, help_text="All failures ever, also those that were forgotten since.")),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                ("status", models.CharField(choices=[("open", "Open"), ("resolved", "Resolved"), ("muted", "Muted")], default="open", max_length=8)),
                ("opening", models.UUIDField(editable=False, help_text="Names the latest time that failures opened it.", null=True)),
                ("reopened", models.PositiveIntegerField(default=0, help_text="How often it failed again after it was resolved.")),
                ("muted_until", models.DateTimeField(blank=True, null=True)),
                ("resolved_at", models.DateTimeField(blank=True, help_text="The latest time; kept when it fails again.", null=True)),
                ("resolved_by", models.CharField(blank=True, max_length=150)),
                ("note", models.TextField(blank=True)),
            ],
            options={
                "ordering": ("-last_seen", "-fingerprint"),
                "permissions": (
                    ("retry_failuregroup", "Can retry all failed jobs of a failure group"),
                    ("forget_failuregroup", "Can forget all failed jobs of a failure group"),
                    ("resolve_failuregroup", "Can resolve failure groups"),
                    ("reopen_failuregroup", "Can reopen resolved failure groups"),
                    ("mute_failuregroup", "Can mute and unmute failure groups"),
                    ("note_failuregroup", "Can write the note of a failure group"),
                ),
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(models.OrderBy(models.F("last_seen"), descending=True), models.OrderBy(models.F("fingerprint"), descending=True), name="jobs_group_seen"),
                    models.Index(models.F("status"), models.OrderBy(models.F("last_seen"), descending=True), models.OrderBy(models.F("fingerprint"), descending=True), name="jobs_group_status"),
                    models.Index(models.F("exception_class"), models.OrderBy(models.F("last_seen"), descending=True), name="jobs_group_exception"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(models.Q(("status", "resolved"), _negated=True), ("resolved_at__isnull", False), _connector="OR"), name="jobs_group_resolved_at"),
                ],
            },
        ),
        migrations.CreateModel(
            name="NotificationRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
                ("enabled", models.BooleanField(default=True)),
                ("channel", models.CharField(choices=[("mail", "Mail"), ("webhook", "Webhook"), ("log", "Log")], default="mail", max_length=7)),
                ("target", models.CharField(blank=True, help_text="Mail: addresses, with commas between. Webhook: a URL that takes Slack's messages; it is a secret. Log: the name of a logger, jobs.notify if empty.", max_length=500)),
                ("queue", models.CharField(blank=True, help_text="Only groups with failures on this queue.", max_length=64)),
                ("definition", models.CharField(blank=True, help_text="Only groups with failures of this definition.", max_length=200)),
                ("cooldown", models.DurationField(default=datetime.timedelta(seconds=3600), help_text="At most one message about the same group in this time: hours:minutes:seconds.", verbose_name="cool-down")),
            ],
            options={"ordering": ("name",)},
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rule", models.CharField(help_text="The key of a rule, also of one in settings.", max_length=120)),
                ("opening", models.UUIDField(help_text="The opening of the group that it is about.", null=True)),
                ("claimed_at", models.DateTimeField(null=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("recovered_at", models.DateTimeField(help_text="When the recovery was told.", null=True)),
                ("group", models.ForeignKey(db_constraint=False, db_index=False, on_delete=models.deletion.DO_NOTHING, related_name="notices", to="jobs.failuregroup")),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("group", "rule"), name="jobs_notice_once")],
            },
        ),
        migrations.RunPython(group_what_has_failed, migrations.RunPython.noop),
    ]
