"""Reading rows on the hot paths of charts and of flushes, past the ORM.

A chart of a long series reads thousands of small rows in a few milliseconds, where building querysets and model values
would cost more than all the rest. Values come as PostgreSQL's binary format has them: as text, bytes are hexadecimal
and take five times as long. Errors are Django's, as with any of its cursors.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection


def fetch(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """All rows of a statement with %s for its parameters. Bytes are `bytes` on both databases."""
    with open_cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def among(column: str, ids: Collection[int]) -> tuple[str, Any]:
    """A condition that the column is one of any number of ids, and its parameter."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s::bigint[])", list(ids)
    return f"{column} IN (SELECT value FROM json_each(%s))", json.dumps(list(ids))  # noqa: S608 - own names


def among_texts(column: str, texts: Collection[str]) -> tuple[str, Any]:
    """A condition that the column is one of any number of texts, and its parameter."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s::text[])", list(texts)
    return f"{column} IN (SELECT value FROM json_each(%s))", json.dumps(list(texts))  # noqa: S608 - own names


def open_cursor() -> Any:
    """A cursor of which PostgreSQL gets and gives values in binary form; wrapped as Django wraps its own."""
    if connection.vendor != "postgresql":
        return connection.cursor()
    import psycopg  # only there where PostgreSQL is used

    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = psycopg.Cursor(connection.connection)
    cursor.format = psycopg.pq.Format.BINARY
    return connection._prepare_cursor(cursor)  # type: ignore[attr-defined]
