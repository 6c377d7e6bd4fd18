"""A group for each role."""

from django.contrib.auth.management import create_permissions
from django.contrib.contenttypes.management import create_contenttypes
from django.db import migrations

from jobs import roles


def create(apps, schema_editor):
    alias = schema_editor.connection.alias
    config = apps.get_app_config("jobs")
    # Permissions come after all migrations, unless somebody asks for them; this says that the app
    # has models.
    config.models_module = True
    create_contenttypes(config, apps=apps, using=alias, verbosity=0)
    create_permissions(config, apps=apps, using=alias, verbosity=0)
    config.models_module = None
    roles.create_groups(
        apps.get_model("auth", "Group").objects.using(alias),
        apps.get_model("auth", "Permission").objects.using(alias),
    )


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0017_alerts"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    # The groups stay when the migration is undone: people may be in them.
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
