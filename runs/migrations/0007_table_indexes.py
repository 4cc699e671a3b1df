"""Indexes for tables of runs that are sorted and filtered by any attribute."""

from django.db import migrations, models


def by_code_points(apps, schema_editor):
    """Texts are sorted and compared by code points; PostgreSQL uses an index for that only if it is made so."""
    make(schema_editor, 'text COLLATE "C"')


def by_locale(apps, schema_editor):
    make(schema_editor, "text")


def make(schema_editor, column):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute("DROP INDEX attribute_text")
    schema_editor.execute(
        f"CREATE INDEX attribute_text ON runs_attribute (definition_id, {column}, run_id) WHERE text IS NOT NULL"
    )


class Migration(migrations.Migration):

    dependencies = [
        ("runs", "0006_log_session_repeats"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="attribute",
            index=models.Index(
                condition=models.Q(("flags__gt", 0)), fields=["definition", "run"], name="attribute_nan"
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["project", "kind", "number"], name="run_number"),
        ),
        migrations.RunPython(by_code_points, by_locale),
    ]
