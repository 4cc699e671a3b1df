"""One view of the database over several queries: a flush moves points from the log to chunks, and a reader who saw the
chunks of before and the log of after it would miss them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

_BEGIN = {"postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "sqlite": "BEGIN DEFERRED"}


@contextmanager
def snapshot() -> Iterator[None]:
    """Let all queries inside see the database as of one moment.

    Inside a transaction of the caller this does nothing: who writes holds the lock on the run, so no flush interferes.
    Django's own transaction would take the lock of SQLite's one writer at its start, and costs PostgreSQL a second
    statement to make it repeatable.
    """
    connection.ensure_connection()
    if is_writing() or _is_open():
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN[connection.vendor])
        is_complete = False
        try:
            yield
            is_complete = True
        finally:
            # A connection that broke inside has no transaction any more.
            if _is_open():
                cursor.execute("COMMIT" if is_complete else "ROLLBACK")


def is_writing() -> bool:
    """Whether the caller is in a transaction of its own, so that what it reads may never be committed."""
    return connection.in_atomic_block


def _is_open() -> bool:
    raw = connection.connection
    if raw is None:
        return False
    if connection.vendor == "postgresql":
        from psycopg.pq import TransactionStatus

        return bool(raw.info.transaction_status in {TransactionStatus.INTRANS, TransactionStatus.INERROR})
    return bool(raw.in_transaction)
