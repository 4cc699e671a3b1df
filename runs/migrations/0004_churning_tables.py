"""Settings of PostgreSQL for tables whose rows come and go quickly.

Points are compressed already, or about to be removed: no CPU is spent on compressing them again, and what is read
together lies together. Dead rows are cleared away by number, not by share of a table that is mostly empty (the log) or
large and still (the chunks), and rows that are updated often find room on their own page.
"""

from django.db import migrations

SETTINGS = (
    (
        "runs_batchlog",
        "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, "
        "toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 20000",
    ),
    ("runs_chunk", "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000"),
    ("runs_attribute", "fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05"),
    ("runs_run", "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05"),
)
STORAGE = (
    ("runs_batchlog", "payload", "EXTERNAL"),
    ("runs_chunk", "data", "EXTERNAL"),
    ("runs_chunk", "rollup_64", "EXTERNAL"),
    ("runs_chunk", "rollup_512", "PLAIN"),
)


def _apply(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for table, settings in SETTINGS:
        schema_editor.execute(f"ALTER TABLE {table} SET ({settings})")
    for table, column, storage in STORAGE:
        schema_editor.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE {storage}")


def _revert(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    for table, settings in SETTINGS:
        names = ", ".join(each.split("=")[0].strip() for each in settings.split(","))
        schema_editor.execute(f"ALTER TABLE {table} RESET ({names})")
    for table, column, _ in STORAGE:
        schema_editor.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTENDED")


class Migration(migrations.Migration):
    dependencies = [("runs", "0003_chunk_facts")]

    operations = [migrations.RunPython(_apply, _revert, elidable=False)]
