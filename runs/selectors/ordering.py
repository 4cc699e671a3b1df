"""The order of a table of runs, and reading a page of it from any place on.

Runs stand in four groups, whatever the direction: those with a number (or another value of the run's own columns),
those with a text, those whose number is NaN, and those that have nothing to sort by. Inside a group they are ordered by
the value and then by the id, both in the direction asked for; the last two by the id alone. Each group is one
statement that walks an index and stops after a page; a page that lies inside one group costs one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import TypeAlias

from django.db import connection
from django.utils.dateparse import parse_datetime

from projects.exceptions import InvalidInput
from runs.models import AttributeKind
from runs.query import Aggregate
from runs.selectors.compiled import Compiler, Scope, Sql, figure, in_code_points, is_sqlite, rows_of
from runs.selectors.conditions import Definition

MAX_ID = 2**63 - 1

_TIMES = {
    "sys/creation_time": "created_at",
    "sys/modification_time": "touched_at",
    "sys/ping_time": "last_ping_at",
    "sys/trashed": "trashed_at",
}
_FIGURES = {
    "sys/id": "number",
    "sys/size": "size_bytes",
    "sys/running_time": "running_seconds",
    "sys/monitoring_time": "running_seconds",
}
_EMPTY_AT_TIMES = frozenset({"last_ping_at", "trashed_at"})
_STATE = "sys/state"
RUN_COLUMNS = frozenset({*_TIMES, *_FIGURES, _STATE})

_WITH_NUMBER = frozenset(
    {
        AttributeKind.FLOAT,
        AttributeKind.INT,
        AttributeKind.BOOL,
        AttributeKind.DATETIME,
        AttributeKind.FLOAT_SERIES,
        AttributeKind.FILE,
        AttributeKind.FILE_SET,
    }
)
_WITH_TEXT = frozenset(
    {AttributeKind.STRING, AttributeKind.STRING_SERIES, AttributeKind.ARTIFACT, AttributeKind.GIT_REF}
)


class Group(IntEnum):
    NUMBER = 0
    TEXT = 1
    NAN = 2
    MISSING = 3


SortValue: TypeAlias = float | int | str | datetime | None


@dataclass(frozen=True, slots=True)
class Sort:
    """By which attribute (or sys/ column) runs are sorted; newest first unless said otherwise. `kind` narrows to the
    attributes of one kind where a path has several."""

    path: str = "sys/creation_time"
    aggregate: Aggregate = Aggregate.LAST
    is_descending: bool = True
    kind: AttributeKind | None = None

    @property
    def is_column(self) -> bool:
        return self.path in RUN_COLUMNS


NEWEST_FIRST = Sort()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands in the order."""

    group: Group
    value: SortValue
    run_id: int


@dataclass(frozen=True, slots=True)
class Key:
    """A sort over the definitions there are."""

    sort: Sort
    numbers: tuple[int, ...] = ()
    texts: tuple[int, ...] = ()


def bind_sort(sort: Sort, definitions: Sequence[Definition]) -> Key:
    """Which definitions give the values to sort by. Aggregates are those of series."""
    if sort.is_column:
        return Key(sort)
    if sort.kind is not None:
        definitions = [each for each in definitions if each.kind is sort.kind]
    if sort.aggregate is Aggregate.COUNT:
        return Key(sort, tuple(each.id for each in definitions if each.kind.is_series))
    if sort.aggregate is not Aggregate.LAST:
        return Key(sort, tuple(each.id for each in definitions if each.kind is AttributeKind.FLOAT_SERIES))
    return Key(
        sort,
        tuple(each.id for each in definitions if each.kind in _WITH_NUMBER),
        tuple(each.id for each in definitions if each.kind in _WITH_TEXT),
    )


def read_places(scope: Scope, key: Key, *, after: Place | None, offset: int, limit: int) -> list[Place]:
    """The places of the runs that follow `after` (or the first), without the first `offset` of them: four statements
    at most."""
    found: list[Place] = []
    statements = _Statements(scope, key)
    for group in Group:
        if len(found) >= limit + offset:
            break
        if after is None or group >= after.group:
            begin = after if after is not None and group == after.group else None
            found += statements.read(group, begin, limit + offset - len(found))
    return found[offset:]


def count_runs(scope: Scope) -> int:
    """How many runs are searched for."""
    condition = Compiler(scope).runs()
    (row,) = rows_of(Sql(f"SELECT count(*) FROM runs_run r WHERE {condition.text}", condition.values))
    return int(str(row[0]))


class _Statements:
    def __init__(self, scope: Scope, key: Key) -> None:
        self._scope, self._key = scope, key
        self._compiler = Compiler(scope)
        self._down = "DESC" if key.sort.is_descending else "ASC"
        self._beyond = "<" if key.sort.is_descending else ">"

    def read(self, group: Group, after: Place | None, limit: int) -> list[Place]:
        statement = self._statement(group, after)
        if statement is None:
            return []
        rows = rows_of(Sql(f"{statement.text} LIMIT {limit:d}", statement.values))
        is_time = self._key.sort.path in _TIMES
        return [Place(group, _as_time(value) if is_time and value else value, pk) for pk, value in rows]

    def _statement(self, group: Group, after: Place | None) -> Sql | None:
        key, aggregate = self._key, self._key.sort.aggregate
        if key.sort.is_column:
            return self._columns(group, after)
        match group:
            case Group.NUMBER:
                value = figure(aggregate)
                return self._walk(key.numbers, value, f"{value} IS NOT NULL", after)
            case Group.TEXT:
                return self._walk(key.texts, in_code_points("a.text"), "a.text IS NOT NULL", after)
            case Group.NAN:
                ids = key.numbers if aggregate is Aggregate.LAST else ()
                return self._walk(ids, "", "a.number IS NULL AND a.flags > 0", after)
            case Group.MISSING:
                return self._missing(after)

    def _walk(self, definition_ids: Sequence[int], value: str, given: str, after: Place | None) -> Sql | None:
        """Along the index over values of each definition."""
        if not definition_ids:
            return None
        runs = self._compiler.runs("r", "a.run_id")
        # SQLite keeps the order of a CROSS JOIN: attributes first, in the order of the index.
        join = f"{'CROSS' if is_sqlite() else 'INNER'} JOIN runs_run r ON r.id = a.run_id WHERE"
        order = f"{value} {self._down}, a.run_id {self._down}" if value else f"a.run_id {self._down}"
        beyond = self._after(value, "a.run_id", after)
        ids = ", ".join(f"{pk:d}" for pk in definition_ids)
        which = f"a.definition_id = {ids}" if len(definition_ids) == 1 else f"a.definition_id IN ({ids})"
        return Sql(
            f"SELECT a.run_id, {value or 'NULL'} AS value FROM runs_attribute a {join} {which} AND {given}"
            f" AND {runs.text}{beyond.text} ORDER BY {order}",
            (*runs.values, *beyond.values),
        )

    def _missing(self, after: Place | None) -> Sql:
        runs = self._compiler.runs()
        beyond = self._after("", "r.id", after)
        has = self._has()
        lacking = f" AND NOT EXISTS (SELECT 1 FROM runs_attribute a WHERE a.run_id = r.id AND ({has}))" if has else ""
        return Sql(
            f"SELECT r.id, NULL AS value FROM runs_run r WHERE {runs.text}{lacking}{beyond.text}"
            f" ORDER BY r.id {self._down}",
            (*runs.values, *beyond.values),
        )

    def _has(self) -> str:
        """That an attribute row gives a value to sort by, or NaN."""
        found = []
        aggregate = self._key.sort.aggregate
        if self._key.numbers:
            given = f"{figure(aggregate)} IS NOT NULL" + (" OR a.flags > 0" if aggregate is Aggregate.LAST else "")
            found.append(f"a.definition_id IN ({', '.join(map(str, self._key.numbers))}) AND ({given})")
        if self._key.texts:
            found.append(f"a.definition_id IN ({', '.join(map(str, self._key.texts))}) AND a.text IS NOT NULL")
        return " OR ".join(f"({each})" for each in found)

    def _columns(self, group: Group, after: Place | None) -> Sql | None:
        path = self._key.sort.path
        column = _TIMES.get(path) or _FIGURES.get(path)
        value = Sql(f"r.{column}") if column else self._compiler.state_rank()
        runs = self._compiler.runs()
        if group is Group.MISSING and column in _EMPTY_AT_TIMES:
            beyond = self._after("", "r.id", after)
            return Sql(
                f"SELECT r.id, NULL AS value FROM runs_run r WHERE {runs.text} AND r.{column} IS NULL{beyond.text}"
                f" ORDER BY r.id {self._down}",
                (*runs.values, *beyond.values),
            )
        if group is not Group.NUMBER:
            return None
        given = f" AND r.{column} IS NOT NULL" if column in _EMPTY_AT_TIMES else ""
        beyond = self._after(value.text, "r.id", after, value.values)
        return Sql(
            f"SELECT r.id, {value.text} AS value FROM runs_run r WHERE {runs.text}{given}{beyond.text}"
            f" ORDER BY {'value' if not column else value.text} {self._down}, r.id {self._down}",
            (*value.values, *runs.values, *beyond.values),
        )

    def _after(self, value: str, run_id: str, after: Place | None, values: Sequence[object] = ()) -> Sql:
        if after is None:
            return Sql("")
        if not value:
            return Sql(f" AND {run_id} {self._beyond} %s", (after.run_id,))
        begin = after.value
        if isinstance(begin, datetime):
            begin = connection.ops.adapt_datetimefield_value(begin)
        return Sql(f" AND ({value}, {run_id}) {self._beyond} (%s, %s)", (*values, begin, after.run_id))


def _as_time(value: object) -> datetime:
    """A time as a raw statement gives it: SQLite has texts or times without a zone."""
    moment = value if isinstance(value, datetime) else parse_datetime(str(value))
    assert moment is not None  # noqa: S101 - the column holds nothing else
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# --- cursors ----------------------------------------------------------------------------------------------------------


def encode_place(place: Place, sort: Sort) -> str:
    """An opaque text for a place in this order."""
    value = place.value.isoformat() if isinstance(place.value, datetime) else place.value
    return base64.urlsafe_b64encode(json.dumps([_mark(sort), place.group, value, place.run_id]).encode()).decode()


def decode_place(cursor: str, sort: Sort) -> Place:
    """The place in a cursor. Raises InvalidInput for one that lists in this order do not give out."""
    try:
        mark, group, value, run_id = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        if mark != _mark(sort) or type(run_id) is not int or not 0 <= run_id <= MAX_ID:
            raise ValueError
        return Place(Group(group), _checked(value, Group(group), sort), run_id)
    except (ValueError, TypeError, RecursionError, OverflowError, binascii.Error, UnicodeError) as error:
        message = "The cursor is not one that this list gave out."
        raise InvalidInput(message, code="bad_cursor", field="cursor") from error


def _checked(value: object, group: Group, sort: Sort) -> SortValue:
    if group is Group.TEXT and isinstance(value, str) and "\x00" not in value and value.encode():
        return value
    if group is Group.NUMBER and sort.path in _TIMES and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    elif group is Group.NUMBER and type(value) in {int, float} and not math.isnan(float(value)):  # type: ignore[arg-type]
        if sort.path not in _FIGURES or abs(value) <= MAX_ID:  # type: ignore[arg-type]
            return value  # type: ignore[return-value]
    elif group in {Group.NAN, Group.MISSING} and value is None:
        return None
    elif group is Group.TEXT and value == "":
        return ""
    raise ValueError


def _mark(sort: Sort) -> str:
    """Tells lists in one order from those in another."""
    text = json.dumps([sort.path, sort.aggregate, sort.is_descending, sort.kind])
    return hashlib.sha256(text.encode()).hexdigest()[:8]
