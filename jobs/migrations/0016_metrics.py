"""Figures of the past, by the minute, hour and day."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0015_sequences'),
    ]

    operations = [
        migrations.CreateModel(
            name='JobMetric',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('level', models.CharField(choices=[('minute', 'Minute'), ('hour', 'Hour'), ('day', 'Day'), ('ever', 'Ever')], max_length=6)),
                ('at', models.DateTimeField(help_text='When the stretch begins.')),
                ('queue', models.CharField(max_length=64)),
                ('definition', models.CharField(max_length=200)),
                ('enqueued', models.PositiveBigIntegerField(default=0)),
                ('succeeded', models.PositiveBigIntegerField(default=0)),
                ('failed', models.PositiveBigIntegerField(default=0, help_text='For good.')),
                ('cancelled', models.PositiveBigIntegerField(default=0)),
                ('retried', models.PositiveBigIntegerField(default=0, help_text='Attempts that failed, and whose job went on.')),
                ('wait', models.JSONField(default=dict, help_text='Histogram: from ready to the last attempt.')),
                ('run', models.JSONField(default=dict, help_text='Histogram: of the last attempt.')),
                ('wait_seconds', models.FloatField(default=0, help_text='All waits together.')),
                ('run_seconds', models.FloatField(default=0, help_text='All runs together.')),
            ],
            options={
                'verbose_name': 'metric',
                'ordering': ('-at',),
                'default_permissions': ('view',),
            },
        ),
        migrations.CreateModel(
            name='MetricMark',
            fields=[
                ('level', models.CharField(choices=[('minute', 'Minute'), ('hour', 'Hour'), ('day', 'Day'), ('ever', 'Ever')], max_length=6, primary_key=True, serialize=False)),
                ('until', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(models.F('finished_at'), condition=models.Q(('outcome__in', ('failed', 'timed_out', 'lost'))), name='jobs_attempt_in_vain'),
        ),
        migrations.AddIndex(
            model_name='jobmetric',
            index=models.Index(models.F('level'), models.F('queue'), models.F('at'), name='jobs_metric_queue'),
        ),
        migrations.AddIndex(
            model_name='jobmetric',
            index=models.Index(models.F('level'), models.F('definition'), models.F('at'), name='jobs_metric_definition'),
        ),
        migrations.AddConstraint(
            model_name='jobmetric',
            constraint=models.UniqueConstraint(models.F('level'), models.F('at'), models.F('queue'), models.F('definition'), name='jobs_metric_once'),
        ),
    ]
