"""Databases for a measurement: where a server keeps its data, how big that is, and whose work it is."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis as redis_client

from bench.processes import parent
from tests.servers.postgres import postgres
from tests.servers.redis import redis

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"


@dataclass(frozen=True, slots=True)
class Store:
    """What a server is given to keep its data in. With PostgreSQL it has a database server of its own, whose
    processes count as its."""

    folder: Path
    kind: str = SQLITE
    url: str = ""
    broker: str = ""
    roots: tuple[int, ...] = ()

    def query(self, statement: str, file: Path | None = None) -> int:
        """The one number a statement answers, from PostgreSQL or from the SQLite database in `file`."""
        if self.url:
            with psycopg.connect(self.url, autocommit=True) as connection:
                row = connection.execute(statement.encode()).fetchone()
                return int(row[0]) if row else 0
        assert file is not None
        with contextlib.closing(sqlite3.connect(file, timeout=60)) as database:
            return int(database.execute(statement).fetchone()[0])

    def size(self, files: Path) -> int:
        """Bytes of the data at rest: dead rows are released for reuse and the log is written to the tables first."""
        if self.url:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("VACUUM")
                connection.execute("CHECKPOINT")
                row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
                assert row is not None
                return int(row[0])
        databases = [*files.rglob("*.db"), *files.rglob("*.sqlite3")]
        used = sum(_used_bytes(database) for database in databases)
        others = [path for path in files.rglob("*") if path.is_file() and path not in databases]
        return used + sum(path.stat().st_size for path in others)


class Watching:
    """A connection to PostgreSQL that stays open, for a question asked again and again during a measurement."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def number(self, statement: str) -> int:
        row = self._connection.execute(statement.encode()).fetchone()
        return int(row[0]) if row else 0


def _used_bytes(database: Path) -> int:
    """Of a SQLite database without the pages that are free for reuse; its log is written to it first."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database, timeout=60)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, free, size = (
            int(file.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size
    return database.stat().st_size


@contextlib.contextmanager
def open_store(folder: Path, kind: str, *, with_broker: bool = False) -> Iterator[Store]:
    """A place for data: a folder, and for PostgreSQL a server that waits for the disk at every commit."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == SQLITE:
        yield Store(folder)
        return
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(postgres(durable=True))
        with psycopg.connect(url, autocommit=True) as connection:
            roots = [parent(connection.info.backend_pid)]
            connection.execute("CREATE DATABASE bench")
        broker = ""
        if with_broker:
            broker = stack.enter_context(redis())
            with redis_client.Redis.from_url(broker) as client:
                roots.append(int(client.info("server")["process_id"]))
        url = urlsplit(url)._replace(path="/bench").geturl()
        yield Store(folder, kind, url, broker, tuple(roots))
