"""Reading the runs of a project, and one attribute of them all.

The rows of one attribute lie all over the table, a page of the disk for each run, while the indexes have their values
together. So all runs' values are read from the indexes alone where these have them; of some runs, from the table.

PostgreSQL puts what it finds together as bytes: to send each value as a row, and to make an object of it here, takes
several times as long as to find it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from projects.rows import fetch, is_postgresql
from runs.models import ContainerKind
from runs.models.attribute import MAX_INDEXED_TEXT
from runs.series.sql import among


@dataclass(frozen=True, slots=True)
class Rows:
    """What the database has of an attribute: an entry for each run in `run_ids` and in each of the `parts`."""

    run_ids: NDArray[np.int64]
    parts: tuple[NDArray[Any], ...]

    @classmethod
    def of(cls, rows: Sequence[tuple[Any, ...]], *kinds: Any) -> Rows:
        """From rows that begin with the run's id; the other columns become arrays of these kinds."""
        run_ids, *columns = zip(*rows, strict=True) if rows else [()] * (1 + len(kinds))
        parts = (np.array(column, kind) for column, kind in zip(columns, kinds, strict=True))
        return cls(np.array(run_ids, np.int64), tuple(parts))

    def only(self, which: NDArray[np.bool_]) -> Rows:
        """Those that the mask says."""
        return Rows(self.run_ids[which], tuple(part[which] for part in self.parts))


def read_rows(table: str, names: str, definition_id: int, run_ids: Collection[int] | None) -> list[tuple[Any, ...]]:
    """These columns of the attribute's rows in `table`, which is called a; `run_ids` None for those of all runs."""
    statement = f"SELECT {names} FROM {table} a WHERE a.definition_id = {definition_id:d}"
    if run_ids is None:
        return fetch(statement, [])
    condition, parameter = among("a.run_id", run_ids)
    return fetch(f"{statement} AND {condition}", [parameter])


def indexed_numbers(definition_id: int) -> Rows | None:
    """The number of each run, NaN where it is NaN, and a flag of NaN; None if a run has neither."""
    of_it = f"FROM runs_attribute WHERE definition_id = {definition_id:d}"
    parts = {"number": f"{of_it} AND number IS NOT NULL", "nan": f"{of_it} AND flags > 0", "all": of_it}
    if is_postgresql():
        ((ids, numbers, nan_ids, total),) = fetch(_NUMBERS_AS_BYTES.format(**parts), [])
        run_ids, given = as_numbers((ids or b"") + (nan_ids or b""), "i8"), as_numbers(numbers, "f8")
    else:
        *rows, (_, total) = fetch(_NUMBERS_AS_ROWS.format(**parts), [])
        read = Rows.of(rows, np.float64)
        run_ids, given = read.run_ids, read.parts[0]
    if len(run_ids) != total:
        return None
    values = np.full(len(run_ids), np.nan)
    values[: len(given)] = given
    return Rows(run_ids, (values, np.isnan(values).astype(np.int8)))


_NUMBERS_AS_BYTES = """
    SELECT string_agg(int8send(run_id), ''), string_agg(float8send(number), ''),
        (SELECT string_agg(int8send(run_id), '') {nan}), (SELECT count(*) {all}) {number}"""
_NUMBERS_AS_ROWS = """
    SELECT run_id, number {number} UNION ALL SELECT run_id, NULL {nan} UNION ALL SELECT NULL, count(*) {all}"""


def indexed_texts(definition_id: int) -> Rows | None:
    """The text of each run, and None for the long text that none has; None if one has, or a run has no text."""
    of_it = f"FROM runs_attribute WHERE definition_id = {definition_id:d}"
    parts = {"text": f"{of_it} AND text IS NOT NULL", "all": of_it}
    if is_postgresql():
        found = {text: as_numbers(sent, "i8") for text, sent in fetch(_TEXTS_AS_BYTES.format(**parts), [])}
        (total,) = found.pop(None)
        run_ids = np.concatenate([np.zeros(0, np.int64), *found.values()])
        texts = np.repeat(np.array([*found], object), list(map(len, found.values())))
    else:
        *pairs, (_, total) = fetch(_TEXTS_AS_ROWS.format(**parts), [])
        read = Rows.of(pairs, object)
        run_ids, texts = read.run_ids, read.parts[0]
    # The index has no more than the head of a longer one.
    if len(run_ids) != total or max(map(len, texts.tolist()), default=0) >= MAX_INDEXED_TEXT:
        return None
    return Rows(run_ids, (texts, np.full(len(texts), None, object)))


_TEXTS_AS_BYTES = """
    SELECT text COLLATE "C", string_agg(int8send(run_id), '') {text} GROUP BY text COLLATE "C"
    UNION ALL SELECT NULL, int8send(count(*)) {all}"""
_TEXTS_AS_ROWS = "SELECT run_id, text {text} UNION ALL SELECT NULL, count(*) {all}"


KINDS = [kind.value for kind in ContainerKind]
"""A run's kind is held as its place in this list; -1 for what is no kind of container: a run that is being purged."""


@dataclass(frozen=True, slots=True)
class RunColumns:
    """What is held of runs beside their attributes; times in microseconds since 1970."""

    ids: NDArray[np.int64]
    kinds: NDArray[np.int8]
    numbers: NDArray[np.int64]
    is_trashed: NDArray[np.bool_]
    created_us: NDArray[np.int64]
    changed_us: NDArray[np.int64]


def read_runs(project_id: int, since_us: int | None) -> RunColumns:
    """The project's runs, or those whose attributes changed at this moment or later."""
    condition, parameters = f"project_id = {project_id:d}", []
    if since_us is not None:
        condition, parameters = f"{condition} AND values_changed_at >= %s", [_moment(since_us)]
    if is_postgresql():
        (sent,) = fetch(f"{_RUNS_AS_BYTES} WHERE {condition}", [KINDS, *parameters])
        ids, kinds, numbers, is_trashed, created, changed = map(as_numbers, sent, ("i8", "i4", "i4", "i1", "i8", "i8"))
        created, changed = created + _POSTGRESQL_EPOCH_US, changed + _POSTGRESQL_EPOCH_US
    else:
        statement = _RUNS_AS_ROWS.format(
            created=_microseconds("created_at"), changed=_microseconds("values_changed_at")
        )
        rows = fetch(f"{statement} WHERE {condition}", parameters)
        columns = zip(*rows, strict=True) if rows else [()] * 6
        ids, names, numbers, is_trashed, created, changed = map(np.array, columns)
        codes = {name: code for code, name in enumerate(KINDS)}
        kinds = np.array([codes.get(name, -1) for name in names.tolist()], np.int8)
    return RunColumns(
        ids.astype(np.int64),
        kinds.astype(np.int8),
        numbers.astype(np.int64),
        is_trashed.astype(np.bool_),
        created.astype(np.int64),
        changed.astype(np.int64),
    )


def read_mark(project_id: int, since_us: int) -> tuple[int, ...]:
    """What differs when a run was made or changed since then: any of their moments moves."""
    changed = f"{_microseconds('values_changed_at')} - {since_us:d}"
    statement = (
        f"SELECT count(*), CAST(COALESCE(sum({changed}), 0) AS bigint), COALESCE(max(id), 0) FROM runs_run"
        f" WHERE project_id = {project_id:d} AND values_changed_at >= %s"
    )
    return fetch(statement, [_moment(since_us)])[0]


_POSTGRESQL_EPOCH_US = 946_684_800_000_000  # it counts from the year 2000
_RUNS_AS_BYTES = """
    SELECT string_agg(int8send(id), ''),
        string_agg(int4send(COALESCE(array_position(%s::text[], kind::text), 0) - 1), ''),
        string_agg(int4send(number), ''), string_agg(boolsend(trashed_at IS NOT NULL), ''),
        string_agg(timestamptz_send(created_at), ''), string_agg(timestamptz_send(values_changed_at), '')
    FROM runs_run"""
_RUNS_AS_ROWS = "SELECT id, kind, number, trashed_at IS NOT NULL, {created}, {changed} FROM runs_run"


def _microseconds(column: str) -> str:
    """A time as whole microseconds since 1970. SQLite has it as text, with a fraction of six digits or none."""
    if is_postgresql():
        return f"(extract(epoch FROM {column}) * 1000000)::bigint"
    fraction = f"CAST(substr({column} || '.000000', 21, 6) AS INTEGER)"
    return f"CAST(strftime('%%s', {column}) AS INTEGER) * 1000000 + {fraction}"


def _moment(microseconds: int) -> Any:
    """As a parameter to compare a time with."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    return connection.ops.adapt_datetimefield_value(moment)


def as_numbers(sent: bytes | None, kind: str) -> NDArray[Any]:
    """The numbers whose bytes PostgreSQL put together, as its functions named …send give them."""
    return np.frombuffer(sent or b"", f">{kind}").astype(kind)
