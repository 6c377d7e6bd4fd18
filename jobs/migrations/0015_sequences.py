"""Jobs that run one after the other."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0014_tag_pauses'),
    ]

    operations = [
        migrations.CreateModel(
            name='JobSequence',
            fields=[
                ('key', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('label', models.CharField(help_text='The key for people.', max_length=300)),
                ('changed_at', models.DateTimeField()),
                ('last', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='jobs.job')),
            ],
            options={
                'ordering': ('key',),
                'default_permissions': (),
                'indexes': [models.Index(models.F('changed_at'), name='jobs_sequence_changed')],
            },
        ),
    ]
