"""Writing rows straight into a peer's database, where its own interface would take too long to fill it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.database import Store


def insert(store: Store, file: Path, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Into PostgreSQL by COPY, into the SQLite database in `file` in one transaction."""
    if store.url:
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
        with psycopg.connect(store.url) as connection, connection.cursor().copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
        return
    with contextlib.closing(sqlite3.connect(file, timeout=60)) as database, database:
        marks = ", ".join("?" * len(columns))
        names_text = ", ".join(columns)
        database.executemany(f"INSERT INTO {table} ({names_text}) VALUES ({marks})", rows)  # noqa: S608 - our own names


def analyze(store: Store, file: Path) -> None:
    """Let the planner know what is there, as the databases do by themselves after a while."""
    if store.url:
        with psycopg.connect(store.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        return
    with contextlib.closing(sqlite3.connect(file, timeout=60)) as database:
        database.execute("ANALYZE")
