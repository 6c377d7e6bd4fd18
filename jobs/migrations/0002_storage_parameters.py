"""How PostgreSQL stores and tends the tables of the ledger. On other databases: nothing."""

from django.db import migrations

# Every job leaves two dead versions of its row behind: the one before it was claimed and the one
# before it ended. By the server's default a table of five million jobs would be vacuumed after a
# million dead rows, and until then the claim passes their entries in its index, and the file grows.
# Below two per cent of a table's pages a vacuum leaves the indexes alone, so less is not worth it.
# The statistics follow at the same pace: a queue that was drained is another table to the planner.
# Five times the default pace lets a vacuum keep up with the rate at which a full drain makes work.
CHURNED = {
    "autovacuum_vacuum_scale_factor": "0.03",
    "autovacuum_analyze_scale_factor": "0.03",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_vacuum_cost_limit": "1000",
}

# Written once and removed once. Counting them by index alone needs pages that a vacuum has seen.
APPENDED = {
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_vacuum_cost_limit": "1000",
}

# A few rows that change every few seconds, in columns without an index: room in their page lets a
# new version take the place of an old one, without an index entry and without a vacuum.
BEATING = {"fillfactor": "50"}

TABLES = {
    "jobs_job": CHURNED,
    "jobs_attempt": APPENDED,
    "jobs_jobtag": APPENDED,
    "jobs_joblog": APPENDED,
    "jobs_failedjob": APPENDED,
    "jobs_cluster": BEATING,
    "jobs_worker": BEATING,
    "jobs_lease": BEATING,
    "jobs_queue": BEATING,
}


def set_parameters(apps, schema_editor):
    for table, parameters in TABLES.items():
        given = ", ".join(f"{name} = {value}" for name, value in parameters.items())
        _alter(schema_editor, table, f"SET ({given})")


def reset_parameters(apps, schema_editor):
    for table, parameters in TABLES.items():
        _alter(schema_editor, table, f"RESET ({', '.join(parameters)})")


def _alter(schema_editor, table, what):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE {schema_editor.quote_name(table)} {what}")


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial")]

    operations = [migrations.RunPython(set_parameters, reset_parameters, elidable=False)]
