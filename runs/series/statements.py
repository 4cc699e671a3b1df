"""The statements that write a request's points, spelled out for each database.

This is the one write that every logged point passes through, so it is worth its own SQL: on PostgreSQL it is a single
prepared statement (one round trip, no planning, bytes sent as bytes), where the ORM would need a transaction with five
and would send the payload as hexadecimal text. On SQLite, where a statement costs no round trip, it is two or three.

Both begin with an UPDATE of the run's row. It takes the row's lock, so log ids are given in the order of commits, and
it compares `attributes_version`: when it changes no row, what the caller knows of the run is out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from django.db import connection, transaction
from django.utils import timezone

from projects.rows import is_postgresql, open_cursor
from runs.commits import MAX_GROUP, FindLeader, Group, Job, sqlite_group
from runs.models import BatchLog, ReceivedBatch, Run, Writer
from runs.models.run import PING_TIMEOUT, TOUCH_GRAIN
from runs.series.rows import LogRow

_RUN = Run._meta.db_table
_LOG = BatchLog._meta.db_table
_RECEIVED = ReceivedBatch._meta.db_table
_WRITER = Writer._meta.db_table


@dataclass(frozen=True, slots=True)
class BatchWrite:
    """A batch as it is written: its rows (one at least), and who sent it.

    With `writer` 0 it is remembered by `digest` and `heads`; otherwise by its number (`writer`, `seq`) alone.
    """

    run_id: int
    attributes_version: int
    rows: Sequence[LogRow]
    writer: int
    seq: int
    digest: str = ""
    heads: bytes = b""

    @property
    def first_ms(self) -> int:
        return min(row.first_ms for row in self.rows)

    @property
    def last_ms(self) -> int:
        return max(row.last_ms for row in self.rows)


def write_batch(batch: BatchWrite) -> bool:
    """Write the batch and note on the run that points came; whether it could be. No point is written, and the caller
    must look closer, when the run is gone, its attributes changed, or the batch came before.

    Outside a transaction it is committed when this returns, perhaps with those of other requests. Raises
    DatabaseError.
    """
    if connection.in_atomic_block or (len(batch.rows) > 1 and is_postgresql()):
        with transaction.atomic():  # what fails must leave nothing behind in the caller's transaction
            return bool(_work(batch)())
    is_written = _group().commit(_work(batch))
    return bool(_work(batch)() if is_written is None else is_written)


def submit_batch(batch: BatchWrite, when_done: Callable[[Job[bool | None]], object], find_leader: FindLeader) -> None:
    """As write_batch for a batch of one row, but without waiting, and without asking the database anything in this
    thread (see Group.submit). The result is None when someone else had the run's lock: write_batch will wait for it."""
    _group().submit(_work(batch), when_done, find_leader)


def insert_rows(run_id: int, writer: int, seq: int, rows: Sequence[LogRow], *, first_part: int = 0) -> None:
    """Put a batch's rows into the log, in the caller's transaction, who holds the lock on the run and knows that the
    batch is new."""
    with open_cursor() as cursor:
        for part, row in enumerate(rows, first_part):
            cursor.execute(_LOG_INSERT, (run_id, writer, seq, part, *_row_values(row)))


def _work(batch: BatchWrite) -> Callable[[], bool | None]:
    return _Insert(batch) if is_postgresql() else _SqliteWrite(batch)


def _group() -> Group:
    return _postgresql_group if is_postgresql() else sqlite_group


# Indexed columns must rarely change: then the new version of the row stays on its page and no index is written. So
# touched_at moves once in TOUCH_GRAIN.
_TOUCH = f"""
    UPDATE {_RUN} SET
        last_point_ms = {{greatest}}(last_point_ms, %(last_ms)s),
        touched_at = CASE WHEN touched_at < %(lately)s THEN %(now)s ELSE touched_at END,
        running_seconds = running_seconds + CASE
            WHEN finished_at IS NULL AND last_ping_at >= %(alive)s AND last_ping_at < %(now)s
            THEN {{seconds}} ELSE 0 END,
        last_ping_at = CASE
            WHEN finished_at IS NULL AND (%(writer)s > 0 OR last_ping_at >= %(alive)s)
            THEN %(now)s ELSE last_ping_at END
    WHERE id = %(run_id)s AND attributes_version = %(version)s"""  # noqa: S608 - own names
# A numbered batch may have been flushed, and then only the watermark knows it.
_NOT_FLUSHED = f"""
        AND NOT EXISTS (
            SELECT 1 FROM {_WRITER} WHERE run_id = %(run_id)s AND number = %(writer)s AND last_seq >= %(seq)s)"""  # noqa: S608
_LOG_COLUMNS = "(run_id, writer, seq, part, point_count, first_ms, last_ms, payload)"
_LOG_INSERT = f"INSERT INTO {_LOG} {_LOG_COLUMNS} VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
_RECEIVED_COLUMNS = "(run_id, digest, received_at, errors, first_ms, last_ms, heads)"
_LOG_VALUES = "%(writer)s, %(seq)s, {part}, %(point_count)s, %(row_first_ms)s, %(row_last_ms)s, %(payload)s"
_RECEIVED_VALUES = "%(digest)s, %(now)s, '[]'{json}, %(first_ms)s, %(last_ms)s, %(heads)s"


def _parameters(batch: BatchWrite, whole: type[int]) -> dict[str, Any]:
    row = batch.rows[0]
    now = timezone.now()
    return {
        "run_id": whole(batch.run_id),
        "version": whole(batch.attributes_version),
        "now": now,
        "lately": now - TOUCH_GRAIN,
        "alive": now - PING_TIMEOUT,
        "first_ms": whole(batch.first_ms),
        "last_ms": whole(batch.last_ms),
        "writer": whole(batch.writer),
        "seq": whole(batch.seq),
        "digest": batch.digest,
        "heads": batch.heads,
        "point_count": whole(row.point_count),
        "row_first_ms": whole(row.first_ms),
        "row_last_ms": whole(row.last_ms),
        "payload": row.payload,
    }


# --- PostgreSQL -------------------------------------------------------------------------------------------------------

_PG_TOUCH = _TOUCH.format(greatest="GREATEST", seconds="EXTRACT(EPOCH FROM %(now)s - last_ping_at)::float8")
# The conditions on other tables are judged as of the statement's start, and the lock may come later. Should a flush end
# in between, it took the batch's row away and moved the watermark, and neither could be seen: so a statement that
# waited for a flush changes nothing.
_PG_SAME_FLUSH = f"""
        AND flush_count = (SELECT flush_count FROM {_RUN} WHERE id = %(run_id)s)
        AND NOT EXISTS (SELECT 1 FROM {_LOG} WHERE run_id = %(run_id)s AND writer = %(writer)s AND seq = %(seq)s)"""  # noqa: S608
_PG_NUMBERED = f"""
    WITH run AS ({_PG_TOUCH}{_NOT_FLUSHED}{_PG_SAME_FLUSH}{{lock}} RETURNING id)
    INSERT INTO {_LOG} {_LOG_COLUMNS} SELECT id, {_LOG_VALUES.format(part=0)} FROM run
    ON CONFLICT DO NOTHING"""  # noqa: S608
_PG_UNNUMBERED = f"""
    WITH run AS ({_PG_TOUCH}{{lock}} RETURNING id),
    received AS (
        INSERT INTO {_RECEIVED} {_RECEIVED_COLUMNS} SELECT id, {_RECEIVED_VALUES.format(json="::jsonb")} FROM run
        ON CONFLICT DO NOTHING RETURNING run_id)
    INSERT INTO {_LOG} {_LOG_COLUMNS} SELECT run_id, {_LOG_VALUES.format(part=0)} FROM received"""  # noqa: S608
_PG_IF_FREE = f"""
        AND id = (SELECT id FROM {_RUN} WHERE id = %(run_id)s FOR NO KEY UPDATE SKIP LOCKED)"""  # noqa: S608
# For batches with a number (True) and without.
_PG_WAITING = {True: _PG_NUMBERED.format(lock=""), False: _PG_UNNUMBERED.format(lock="")}
_PG_PASSING = {True: _PG_NUMBERED.format(lock=_PG_IF_FREE), False: _PG_UNNUMBERED.format(lock=_PG_IF_FREE)}


@dataclass(frozen=True, slots=True)
class _Insert:
    """The work of writing one batch; of several rows, in a transaction of the caller."""

    batch: BatchWrite

    def __call__(self) -> bool:
        batch = self.batch
        with open_cursor() as cursor:
            self.send(cursor, _PG_WAITING)
            if cursor.rowcount != 1:
                return False
        if len(batch.rows) > 1:
            insert_rows(batch.run_id, batch.writer, batch.seq, batch.rows[1:], first_part=1)
        return True

    def send(self, cursor: Any, statements: Mapping[bool, str]) -> None:
        from psycopg.types.numeric import Int8  # one type for all numbers: a prepared statement is found by its types

        cursor.execute(statements[self.batch.writer > 0], _parameters(self.batch, Int8))


class _PostgresqlGroup(Group):
    """Sends what waits in one go: the statements of a pipeline are one transaction, whose end is their only way there
    and back. Whoever does not get the lock of its run at once is passed by, so that nobody waits for another one's
    run. Its result is None, since it looks the same when the batch can't be written at all."""

    def commit_together(self, take: Callable[[int], Job[Any] | None]) -> None:
        jobs = []
        while (job := take(MAX_GROUP)) is not None:
            jobs.append((cast(_Insert, job.work), job))
        if len(jobs) == 1:
            insert, job = jobs[0]
            job.result = insert()
            return
        jobs.sort(key=lambda each: each[0].batch.run_id)  # locks taken in one order can't wait for each other
        connection.ensure_connection()
        with connection.wrap_database_errors, ExitStack() as cursors:
            with connection.connection.pipeline():
                sent = [(insert, job, cursors.enter_context(open_cursor())) for insert, job in jobs]
                for insert, _, cursor in sent:
                    insert.send(cursor, _PG_PASSING)
            for _, job, cursor in sent:
                job.result = True if cursor.rowcount == 1 else None


_postgresql_group = _PostgresqlGroup()


def _row_values(row: LogRow) -> tuple[int, int, int, bytes]:
    return row.point_count, row.first_ms, row.last_ms, row.payload


# --- SQLite -----------------------------------------------------------------------------------------------------------

_LITE_TOUCH = _TOUCH.format(greatest="MAX", seconds="(julianday(%(now)s) - julianday(last_ping_at)) * 86400.0")
_LITE_RECEIVED = (
    f"INSERT INTO {_RECEIVED} {_RECEIVED_COLUMNS} VALUES (%(run_id)s, {_RECEIVED_VALUES.format(json='')}) "  # noqa: S608
    "ON CONFLICT DO NOTHING"
)
# A numbered batch that came before is no error. In any other row a conflict is one, and takes back what went before it.
_LITE_LOG_OF_NUMBERED = f"{_LOG_INSERT} ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class _SqliteWrite:
    """The work of writing one batch. Only two batches of one run that are given the same number by chance make it
    fail."""

    batch: BatchWrite
    hardly_fails: ClassVar[bool] = True

    def __call__(self) -> bool:
        return _write_on_sqlite(self.batch)


def _write_on_sqlite(batch: BatchWrite) -> bool:
    values = _parameters(batch, int)
    for name in ("now", "lately", "alive"):
        values[name] = _as_text(values[name])
    with connection.cursor() as cursor:
        cursor.execute(_LITE_TOUCH + _NOT_FLUSHED if batch.writer else _LITE_TOUCH, values)
        if not cursor.rowcount:
            return False
        if not batch.writer:
            cursor.execute(_LITE_RECEIVED, values)
            if not cursor.rowcount:
                return False
        for part, row in enumerate(batch.rows):
            statement = _LITE_LOG_OF_NUMBERED if batch.writer and part == 0 else _LOG_INSERT
            cursor.execute(statement, (batch.run_id, batch.writer, batch.seq, part, *_row_values(row)))
            if not cursor.rowcount:
                return False
    return True


def _as_text(moment: datetime) -> str:
    """A moment as Django's SQLite keeps it: text that sorts as time does."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
