"""Writing many definitions and attributes at once, in SQL.

The first batch of a run brings its whole configuration: a thousand rows and more. Building the statements for them took
Django four fifths of the CPU of such a batch, since it looks at each of the seventeen columns of every row, of which a
logged value fills four. Here those four go in as columns on PostgreSQL, row by row in one call on SQLite.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

from django.db import connection

from runs.models import Attribute, AttributeDefinition
from runs.series.sql import among_texts

Definition: TypeAlias = tuple[str, int]  # path and kind

VALUE_COLUMNS = ("flags", "number", "text", "long_text")
_VALUE_TYPES = ("int", "float8", "text", "text")
_ATTRIBUTE = Attribute._meta.db_table
_DEFINITION = AttributeDefinition._meta.db_table


def find_definitions(project_id: int, paths: Sequence[str]) -> dict[Definition, int]:
    """The ids of all definitions of a project at these paths."""
    condition, parameter = among_texts("path", paths)
    with connection.cursor() as cursor:
        statement = f"SELECT id, path, kind FROM {_DEFINITION} WHERE project_id = %s AND {condition}"  # noqa: S608
        cursor.execute(statement, [project_id, parameter])
        return {(path, kind): pk for pk, path, kind in cursor.fetchall()}


def insert_definitions(project_id: int, definitions: Sequence[Definition]) -> None:
    """Add definitions, leaving those that are there. Sort them: two who add the same ones wait for each other."""
    _insert(
        f"INSERT INTO {_DEFINITION} (project_id, path, kind)",
        "ON CONFLICT DO NOTHING",
        project_id,
        definitions,
        ("text", "smallint"),
    )


def insert_attributes(run_id: int, definition_ids: Sequence[int]) -> None:
    """Add empty attributes to a run, leaving those that are there."""
    names, values = _constants()
    _insert(
        f"INSERT INTO {_ATTRIBUTE} (run_id, {names}definition_id, flags)",
        "ON CONFLICT DO NOTHING",
        run_id,
        [(pk, 0) for pk in definition_ids],
        ("bigint", "int"),
        values,
    )


def upsert_values(run_id: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """Set the values of a run's attributes, given as definition id and VALUE_COLUMNS; missing ones are added."""
    names, values = _constants()
    changes = ", ".join(f"{name} = excluded.{name}" for name in VALUE_COLUMNS)
    _insert(
        f"INSERT INTO {_ATTRIBUTE} (run_id, {names}definition_id, {', '.join(VALUE_COLUMNS)})",
        f"ON CONFLICT (run_id, definition_id) DO UPDATE SET {changes}",
        run_id,
        rows,
        ("bigint", *_VALUE_TYPES),
        values,
    )


@cache
def _constants() -> tuple[str, str]:
    """The columns of an attribute that may not be empty and hold no value, with a comma after each, and what new rows
    have there."""
    given = {"id", "run_id", "definition_id", *VALUE_COLUMNS}
    fields = [field for field in Attribute._meta.concrete_fields if not field.null and field.column not in given]
    values = ["''" if field.get_default() == "" else f"{field.get_default():d}" for field in fields]
    return "".join(f"{field.column}, " for field in fields), "".join(f"{value}, " for value in values)


def _insert(
    head: str, tail: str, owner: int, rows: Sequence[tuple[Any, ...]], types: Sequence[str], constants: str = ""
) -> None:
    """Insert rows that all begin with the id of their owner and the constants."""
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            arrays = ", ".join(f"%s::{name}[]" for name in types)
            columns = [list(column) for column in zip(*rows, strict=True)]
            source = f"SELECT %s, {constants}new.* FROM unnest({arrays}) AS new"  # noqa: S608 - own names
            cursor.execute(f"{head} {source} {tail}", [owner, *columns])
        else:
            places = ", ".join(["%s"] * len(types))
            values = [(owner, *row) for row in rows]
            cursor.executemany(f"{head} VALUES (%s, {constants}{places}) {tail}", values)
