"""Chunks get an outline. In SQLite a column behind the large ones is as dear to read as these, and new columns are
always put last: so the table is made anew, and the chunks are copied with their outlines."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

_AT_ONCE = 100


def _copy(apps: Any, schema_editor: Any) -> None:
    from runs.series.chunks import FULL, decode
    from runs.series.layout import ChunkFacts
    from runs.series.rollups import COARSE, FINE, outline, rollup

    old, new = apps.get_model("runs", "Chunk"), apps.get_model("runs", "OutlinedChunk")
    last = 0
    while rows := list(old.objects.filter(pk__gt=last).order_by("pk")[:_AT_ONCE]):
        copies = []
        for row in rows:
            values = {field.attname: getattr(row, field.attname) for field in old._meta.concrete_fields}
            facts = ChunkFacts(**{name: values[name] for name in ChunkFacts._fields})
            del values["id"]
            points = decode(facts, bytes(row.data))
            if len(points):  # what can't be read is left as it is, and reported by every reader
                is_full = row.level == FULL
                values["outline"] = outline(points) if is_full and not points.is_text else None
                values["rollup_512"] = rollup(points, COARSE) if is_full else None
                values["rollup_64"] = rollup(points, FINE) if is_full else None
            copies.append(new(**values))
        new.objects.bulk_create(copies)
        last = rows[-1].pk


def _set_storage(apps: Any, schema_editor: Any) -> None:
    """As 0004_churning_tables did for the table that this one replaces."""
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(
        "ALTER TABLE runs_chunk SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000)"
    )
    for column, storage in (("data", "EXTERNAL"), ("rollup_64", "EXTERNAL"), ("rollup_512", "PLAIN"), ("outline", "PLAIN")):
        schema_editor.execute(f"ALTER TABLE runs_chunk ALTER COLUMN {column} SET STORAGE {storage}")


class Migration(migrations.Migration):
    dependencies = [("runs", "0004_churning_tables")]

    operations = [
        migrations.CreateModel(
            name="OutlinedChunk",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "run",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="runs.run",
                    ),
                ),
                (
                    "definition",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="runs.attributedefinition",
                    ),
                ),
                ("first_step", models.FloatField()),
                ("generation", models.BigIntegerField()),
                ("last_step", models.FloatField()),
                ("first_ms", models.BigIntegerField()),
                ("last_ms", models.BigIntegerField()),
                ("point_count", models.PositiveIntegerField()),
                ("level", models.PositiveSmallIntegerField()),
                ("codec", models.PositiveSmallIntegerField()),
                ("checksum", models.BigIntegerField()),
                ("finite_count", models.IntegerField(null=True)),
                ("minimum", models.FloatField(null=True)),
                ("maximum", models.FloatField(null=True)),
                ("total", models.FloatField(null=True)),
                ("sum_squares", models.FloatField(null=True)),
                ("outline", models.BinaryField(null=True)),
                ("rollup_512", models.BinaryField(null=True)),
                ("rollup_64", models.BinaryField(null=True)),
                ("data", models.BinaryField()),
            ],
        ),
        migrations.RunPython(_copy, migrations.RunPython.noop),
        migrations.DeleteModel(name="Chunk"),
        migrations.RenameModel(old_name="OutlinedChunk", new_name="Chunk"),
        migrations.RunPython(_set_storage, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="chunk",
            index=models.Index(condition=models.Q(("level", 1)), fields=["run", "definition"], name="chunk_open"),
        ),
        migrations.AddConstraint(
            model_name="chunk",
            constraint=models.UniqueConstraint(fields=("run", "definition", "first_step"), name="chunk_unique"),
        ),
    ]
