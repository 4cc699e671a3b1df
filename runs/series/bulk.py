"""The statements of a flush in SQL. A flush of a run with 10,000 series writes as many rows to two tables; through
Django's models that cost five times the CPU of all its other work, measured.

Rows go in as columns. PostgreSQL gets them in its binary format, chunks by COPY and summaries as arrays, which numpy
builds without looking at single values; SQLite gets them row by row in one call. Ids go in as one parameter, so their
number is not limited.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from projects.rows import fetch, open_cursor
from runs.models import Attribute, Chunk
from runs.series.base import Integers
from runs.series.sql import among

CHUNK_COLUMNS = (
    "definition_id",
    "first_step",
    "generation",
    "last_step",
    "first_ms",
    "last_ms",
    "point_count",
    "level",
    "codec",
    "checksum",
)
FACT_COLUMNS = ("finite_count", "minimum", "maximum", "total", "sum_squares")  # of full chunks only
BLOB_COLUMNS = ("outline", "rollup_512", "rollup_64", "data")
SUMMARY_COLUMNS: dict[str, type] = {
    "flags": np.int64,
    "number": np.float64,
    "count": np.int64,
    "last_step": np.float64,
    "last_ms": np.int64,
    "minimum": np.float64,
    "maximum": np.float64,
    "total": np.float64,
    "sum_squares": np.float64,
    "finite_count": np.int64,
}
# Of a summary, these may be empty; NaN stands for that, since none of them ever is NaN.
_NULLABLE = ("number", "minimum", "maximum")

_INTEGER_ARRAY, _FLOAT_ARRAY = 1016, 1022  # PostgreSQL's type numbers of bigint[] and double precision[]
_INTEGER, _FLOAT = 20, 701
_COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"


def select(
    table: str, columns: Sequence[str], run_id: int, definition_ids: Collection[int], more: str = ""
) -> list[tuple[Any, ...]]:
    """Rows of some series of the run; `more` are conditions and the order."""
    condition, ids = among("definition_id", definition_ids)
    statement = f"SELECT {', '.join(columns)} FROM {table} WHERE run_id = %s AND {condition} {more}"  # noqa: S608
    return fetch(statement, [run_id, ids])


def read_blobs(table: str, column: str, ids: Collection[int], order: str = "") -> list[tuple[int, bytes]]:
    """The ids and a column of bytes of these rows; `order` is that of the rows."""
    if not ids:
        return []
    condition, parameter = among("id", ids)
    return fetch(f"SELECT id, {column} FROM {table} WHERE {condition} {order}", [parameter])  # noqa: S608


def delete(table: str, ids: Collection[int]) -> None:
    """Delete rows by id."""
    if not ids:
        return
    condition, parameter = among("id", ids)
    with open_cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE {condition}", [parameter])  # noqa: S608 - own names


def insert_chunks(run_id: int, columns: Sequence[Sequence[Any]]) -> None:
    """Add chunks of a run, given in columns: CHUNK_COLUMNS, FACT_COLUMNS, BLOB_COLUMNS."""
    names = ", ".join(["run_id", *CHUNK_COLUMNS, *FACT_COLUMNS, *BLOB_COLUMNS])
    table = Chunk._meta.db_table
    if connection.vendor == "postgresql":
        _copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)", _copied(run_id, columns))
        return
    places = ", ".join(["%s"] * (1 + len(columns)))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({places})",  # noqa: S608 - own names
            list(zip(repeat(run_id), *columns, strict=False)),
        )


def update_summaries(ids: Integers, columns: dict[str, NDArray[Any]]) -> None:
    """Write summaries of float series, given in the columns of SUMMARY_COLUMNS, onto the attribute rows of these ids.
    Rows that were deleted are not made again."""
    table = Attribute._meta.db_table
    if connection.vendor == "postgresql":
        assignments = ", ".join(f"{name} = {_value(name)}" for name in SUMMARY_COLUMNS)
        statement = (
            f"UPDATE {table} SET {assignments} "  # noqa: S608 - own names
            f"FROM unnest({', '.join(['%s'] * (1 + len(columns)))}) AS new (id, {', '.join(SUMMARY_COLUMNS)}) "
            f"WHERE {table}.id = new.id"
        )
        arrays = [ids, *(columns[name] for name in SUMMARY_COLUMNS)]
        with open_cursor() as cursor:
            cursor.cursor.adapters.register_dumper(_Array, _dumper(_INTEGER_ARRAY))
            cursor.cursor.adapters.register_dumper(_FloatArray, _dumper(_FLOAT_ARRAY))
            cursor.execute(statement, list(map(_parameter, arrays)))
        return
    assignments = ", ".join(f"{name} = %s" for name in SUMMARY_COLUMNS)
    rows = zip(*(_listed(name, columns[name]) for name in SUMMARY_COLUMNS), ids.tolist(), strict=True)
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {table} SET {assignments} WHERE id = %s", list(rows))  # noqa: S608 - own names


def _value(name: str) -> str:
    return f"NULLIF(new.{name}, 'NaN')" if name in _NULLABLE else f"new.{name}"


def _listed(name: str, column: NDArray[Any]) -> list[Any]:
    values: list[Any] = column.tolist()
    if name in _NULLABLE and np.isnan(column).any():
        return [None if value != value else value for value in values]
    return values


def _copied(run_id: int, columns: Sequence[Sequence[Any]]) -> bytes:
    """The rows in the format of a binary COPY: for each field its length and its bytes."""
    fixed, facts, blobs = columns[:10], columns[10:15], columns[15:]
    types = (">i8", ">f8", ">i8", ">f8", ">i8", ">i8", ">i4", ">i2", ">i2", ">i8")
    heads = _fields([run_id] * len(fixed[0]), fixed, types)
    parts = [_COPY_HEADER]
    for head, fact, blob in zip(heads, zip(*facts, strict=True), zip(*blobs, strict=True), strict=True):
        parts.append(head)
        parts.append(_NULL * len(fact) if fact[0] is None else _fact_fields(fact))
        for each in blob:
            parts += [_NULL] if each is None else [len(each).to_bytes(4), each]
    parts.append(_COPY_END)
    return b"".join(parts)


def _fields(run_ids: Sequence[int], columns: Sequence[Sequence[Any]], types: Sequence[str]) -> list[bytes]:
    """The number of fields, the run and the other fields of fixed size, row by row."""
    count = 1 + len(CHUNK_COLUMNS) + len(FACT_COLUMNS) + len(BLOB_COLUMNS)
    layout: list[tuple[str, str]] = [("fields", ">i2"), ("run_size", ">i4"), ("run", ">i8")]
    for number, each in enumerate(types):
        layout += [(f"size{number}", ">i4"), (f"value{number}", each)]
    rows = np.empty(len(run_ids), np.dtype(layout))
    rows["fields"], rows["run_size"], rows["run"] = count, 8, run_ids
    for number, (each, column) in enumerate(zip(types, columns, strict=True)):
        rows[f"size{number}"], rows[f"value{number}"] = np.dtype(each).itemsize, column
    width, data = rows.itemsize, rows.tobytes()
    return [data[start : start + width] for start in range(0, len(data), width)]


def _fact_fields(facts: Sequence[Any]) -> bytes:
    """A count (integer) and four figures, of which the extremes may be missing."""
    parts = [(4).to_bytes(4), int(facts[0]).to_bytes(4)]
    for each in facts[1:]:
        parts += [_NULL] if each is None else [(8).to_bytes(4), np.array(each, ">f8").tobytes()]
    return b"".join(parts)


def _parameter(values: NDArray[Any]) -> Any:
    return _Array(values) if values.dtype.kind == "i" else _FloatArray(values)


def _copy(statement: str, data: bytes) -> None:
    """Through the wrappers that are installed, as Django's cursors execute."""
    with open_cursor() as cursor:

        def copy(sql: str, _params: object, _many: bool, _context: object) -> None:
            with connection.wrap_database_errors, cursor.cursor.copy(sql) as stream:
                stream.write(data)

        execute: Callable[..., None] = copy
        for wrapper in reversed(connection.execute_wrappers):
            execute = functools.partial(wrapper, execute)
        execute(statement, None, False, {"connection": connection, "cursor": cursor})


class _Array:
    """An array of bigint in PostgreSQL's binary format."""

    element, layout = _INTEGER, ">i8"

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values

    def __bytes__(self) -> bytes:
        rows = np.empty(len(self.values), np.dtype([("size", ">i4"), ("value", self.layout)]))
        rows["size"], rows["value"] = 8, self.values
        return np.array([1, 0, self.element, len(self.values), 1], ">i4").tobytes() + rows.tobytes()


class _FloatArray(_Array):
    """An array of double precision in PostgreSQL's binary format."""

    element, layout = _FLOAT, ">f8"


@functools.cache
def _dumper(type_number: int) -> type:
    from psycopg.adapt import Dumper  # not there where only SQLite is used
    from psycopg.pq import Format

    class ArrayDumper(Dumper):
        format = Format.BINARY
        oid = type_number

        def dump(self, obj: Any) -> bytes:
            return bytes(obj)

    return ArrayDumper
