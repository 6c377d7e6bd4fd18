"""What is watched, and when it was out of bounds."""

import datetime
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0016_metrics'),
    ]

    operations = [
        migrations.CreateModel(
            name='AlertRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, unique=True)),
                ('enabled', models.BooleanField(default=True)),
                ('kind', models.CharField(choices=[('wait', 'Long wait: seconds that the oldest ready job has waited'), ('depth', 'Depth: ready jobs of a queue'), ('failures', 'Failure rate: percent of the jobs that ended in the window'), ('workers', 'Workers: fewer live workers than this'), ('schedule', 'Schedule: seconds that a run is late, or the last success is ago'), ('slow', "Slow job: times the p95 of its definition's last day")], max_length=8)),
                ('limit', models.FloatField(help_text='Seconds, jobs, percent, workers, or times, by the kind. Above it there is an alert; of workers below it.', validators=[django.core.validators.MinValueValidator(0)])),
                ('queue', models.CharField(blank=True, help_text='Only this queue.', max_length=64)),
                ('definition', models.CharField(blank=True, help_text='Only this definition.', max_length=200)),
                ('window', models.DurationField(default=datetime.timedelta(seconds=900), help_text='Of a failure rate: hours:minutes:seconds.')),
                ('channel', models.CharField(choices=[('mail', 'Mail'), ('webhook', 'Webhook'), ('log', 'Log')], default='mail', max_length=7)),
                ('target', models.CharField(blank=True, help_text="Mail: addresses, with commas between. Webhook: a URL that takes Slack's messages; it is a secret. Log: the name of a logger, jobs.notify if empty.", max_length=500)),
                ('cooldown', models.DurationField(default=datetime.timedelta(seconds=3600), help_text='At most one alert about the same thing in this time: hours:minutes:seconds.', verbose_name='cool-down')),
                ('schedule', models.ForeignKey(blank=True, help_text='Only this schedule.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='jobs.jobschedule')),
            ],
            options={
                'ordering': ('name',),
            },
        ),
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.CharField(help_text='Such as a queue.', max_length=200)),
                ('text', models.CharField(help_text='The latest finding.', max_length=500)),
                ('opened_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField(help_text='When it was last found so.')),
                ('told_at', models.DateTimeField(help_text='Empty within the cool-down.', null=True)),
                ('closed_at', models.DateTimeField(null=True)),
                ('recovery_told_at', models.DateTimeField(null=True)),
                ('rule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='alerts', to='jobs.alertrule')),
            ],
            options={
                'ordering': ('-id',),
                'default_permissions': ('view',),
                'indexes': [models.Index(models.F('closed_at'), name='jobs_alert_closed')],
                'constraints': [models.UniqueConstraint(models.F('rule'), models.F('subject'), condition=models.Q(('closed_at__isnull', True)), name='jobs_alert_open_once')],
            },
        ),
    ]
