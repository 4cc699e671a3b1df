"""Django's SQLite backend, but the transactions of one process wait for each other before they ask SQLite.

SQLite has one writer at a time, and whoever finds it busy looks again after a sleep of up to 100 ms, again and again:
of eight threads that write, some wait for half a second, and together they burn more CPU with asking than with writing.
Waiting for a lock of the process costs nothing and ends when the writer does. Only other processes are still met that
way.
"""

from __future__ import annotations

import threading
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError

WAIT_SECONDS = 30.0  # as long as SQLite itself would wait (settings.DATABASES)
_writing = threading.Lock()


class DatabaseWrapper(base.DatabaseWrapper):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._holds_lock = False

    def _start_transaction_under_autocommit(self) -> None:
        if not self._holds_lock and not _writing.acquire(timeout=WAIT_SECONDS):
            raise OperationalError("database is locked")
        self._holds_lock = True
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._release()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._release()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._release()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._release()

    def _release(self) -> None:
        if self._holds_lock:
            self._holds_lock = False
            _writing.release()
