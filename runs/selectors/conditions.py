"""What a query asks of the database: paths become the ids of definitions, texts become values of the right kind.

The result is a tree of the leaves below. It says what is meant, not how it is found out: runs/selectors/compiled.py
makes SQL of it, runs/selectors/vectors/ evaluates it in memory.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from projects.rows import fetch
from runs.models import AttributeDefinition, AttributeKind
from runs.query import Aggregate, All, Any, Condition, Not, Query, QuerySyntaxError
from runs.query.words import type_of
from runs.series.sql import among_texts

# Paths that follow from the run's own columns; an attribute of that name is never stored.
NUMBER_COLUMNS = {
    "sys/size": "size_bytes",
    "sys/running_time": "running_seconds",
    "sys/monitoring_time": "running_seconds",
}
TIME_COLUMNS = {"sys/modification_time": "touched_at", "sys/ping_time": "last_ping_at"}
STATES = {
    "running": "running",
    "active": "running",
    "idle": "idle",
    "inactive": "idle",
    "finished": "finished",
    "failed": "failed",
    "stopped": "stopped",
}

NUMBERS = frozenset({AttributeKind.FLOAT, AttributeKind.INT, AttributeKind.FLOAT_SERIES})
TEXTS = frozenset({AttributeKind.STRING, AttributeKind.STRING_SERIES, AttributeKind.FILE, AttributeKind.ARTIFACT})
_DEFINITION = AttributeDefinition._meta.db_table
_KINDS = {kind.value: kind for kind in AttributeKind}
_COMPARISONS = frozenset({"=", "!=", ">", ">=", "<", "<="})


@dataclass(frozen=True, slots=True)
class NumberLeaf:
    """The number at this definition compares so with `value`. Where it is missing or NaN only `!=` holds."""

    definition_id: int
    operator: str
    value: float
    aggregate: Aggregate = Aggregate.LAST


@dataclass(frozen=True, slots=True)
class TextLeaf:
    """The whole text at this definition compares so; the order is that of code points."""

    definition_id: int
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class TagLeaf:
    """The string set at this definition holds the tag."""

    definition_id: int
    tag: str


@dataclass(frozen=True, slots=True)
class ExistsLeaf:
    """The run has the attribute."""

    definition_id: int


@dataclass(frozen=True, slots=True)
class ColumnLeaf:
    """A column of the run itself compares so; `sys_id` as text."""

    column: str
    operator: str
    value: float | str | datetime


@dataclass(frozen=True, slots=True)
class StateLeaf:
    """The run is in this state now (see STATES)."""

    state: str


@dataclass(frozen=True, slots=True)
class TrashLeaf:
    is_trashed: bool


@dataclass(frozen=True, slots=True)
class Both:
    """Every part holds; nothing to hold for no parts."""

    parts: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Some part holds; for no parts it never does."""

    parts: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Unless:
    part: Bound


Leaf: TypeAlias = "NumberLeaf | TextLeaf | TagLeaf | ExistsLeaf | ColumnLeaf | StateLeaf | TrashLeaf"
Bound: TypeAlias = "Leaf | Both | Either | Unless"
ALWAYS = Both(())


@dataclass(frozen=True, slots=True)
class Definition:
    id: int
    path: str
    kind: AttributeKind


Definitions: TypeAlias = Mapping[str, Sequence[Definition]]


def load_definitions(project_id: int, paths: Iterable[str]) -> dict[str, list[Definition]]:
    """What the project has at each of the paths, by path; one query, none without paths."""
    wanted = sorted(set(paths))
    found: dict[str, list[Definition]] = {}
    if wanted:
        condition, parameter = among_texts("path", wanted)
        statement = f"SELECT id, path, kind FROM {_DEFINITION} WHERE project_id = %s AND {condition} ORDER BY id"
        for pk, path, kind in fetch(statement, [project_id, parameter]):
            found.setdefault(path, []).append(Definition(pk, path, _KINDS[kind]))
    return found


def paths_in(query: Query) -> Iterator[str]:
    """Every path that the query names."""
    match query:
        case All(parts) | Any(parts):
            for part in parts:
                yield from paths_in(part)
        case Not(part):
            yield from paths_in(part)
        case Condition():
            yield query.path


def bind(query: Query, definitions: Definitions) -> Bound:
    """The conditions of a query over the definitions there are. Raises QuerySyntaxError for a value that does not fit
    its type and for comparisons that make no sense."""
    match query:
        case All(parts):
            return Both(tuple(bind(part, definitions) for part in parts))
        case Any(parts):
            return Either(tuple(bind(part, definitions) for part in parts))
        case Not(part):
            return Unless(bind(part, definitions))
        case Condition():
            try:
                return _computed(query) or _stored(query, definitions.get(query.path, ()))
            except QuerySyntaxError as error:
                raise QuerySyntaxError(str(error), query.position) from None


def _computed(condition: Condition) -> Bound | None:
    """The condition on a path that follows from the run's columns; None for all others."""
    path, operator, value = condition.path, condition.operator, condition.value
    if path == "sys/id":
        return ColumnLeaf("sys_id", operator, value)
    if path == "sys/trashed":
        return _signed(operator, TrashLeaf(_truth(value)))
    if path == "sys/state":
        if value.lower() not in STATES:
            raise QuerySyntaxError(f"'{value[:50]}' is no state; there are {', '.join(STATES)}.")
        return _signed(operator, StateLeaf(STATES[value.lower()]))
    if path in TIME_COLUMNS:
        _check_comparison(operator)
        return ColumnLeaf(TIME_COLUMNS[path], operator, _moment(value))
    if path in NUMBER_COLUMNS:
        _check_comparison(operator)
        return ColumnLeaf(NUMBER_COLUMNS[path], operator, _number(value))
    return None


def _signed(operator: str, leaf: Leaf) -> Bound:
    _check_comparison(operator)
    if operator not in {"=", "!="}:
        raise QuerySyntaxError("Only = and != fit here.")
    return leaf if operator == "=" else Unless(leaf)


def _check_comparison(operator: str) -> None:
    if operator not in _COMPARISONS:
        raise QuerySyntaxError("CONTAINS is for texts and sets.")


def _stored(condition: Condition, definitions: Sequence[Definition]) -> Bound:
    if condition.type:
        kind = type_of(condition.type)
        if kind is None:
            raise QuerySyntaxError(f"There is no type '{condition.type[:50]}'.")
        _of_kind(condition, Definition(0, condition.path, kind))  # refused even where nothing is at the path yet
        return Either(tuple(_of_kind(condition, each) for each in definitions if each.kind is kind))
    found: list[Bound] = []
    for each in definitions:
        try:
            found.append(_of_kind(condition, each))
        except QuerySyntaxError:
            if condition.operator in {"!=", "NOT CONTAINS"}:
                found.append(ExistsLeaf(each.id))  # what can't be compared is not the same
    return Either(tuple(found))


def _of_kind(condition: Condition, definition: Definition) -> Bound:
    kind, operator, value, pk = definition.kind, condition.operator, condition.value, definition.id
    if condition.aggregate is not Aggregate.LAST and kind is not AttributeKind.FLOAT_SERIES:
        if condition.aggregate is not Aggregate.COUNT or not kind.is_series:
            raise QuerySyntaxError(f"{condition.aggregate}() is for series.")
        _check_comparison(operator)
        return NumberLeaf(pk, operator, _number(value), condition.aggregate)
    if kind is AttributeKind.STRING_SET:
        return _tagged(pk, operator, value)
    if kind in TEXTS:
        return TextLeaf(pk, operator, value)
    if kind in NUMBERS:
        _check_comparison(operator)
        return NumberLeaf(pk, operator, _number(value), condition.aggregate)
    if kind is AttributeKind.BOOL:
        _check_comparison(operator)
        return NumberLeaf(pk, operator, float(_truth(value)))
    if kind is AttributeKind.DATETIME:
        _check_comparison(operator)
        return NumberLeaf(pk, operator, _moment(value).timestamp() * 1000)
    raise QuerySyntaxError("This type can't be compared.")


def _tagged(definition_id: int, operator: str, tag: str) -> Bound:
    if operator in {"=", "CONTAINS"}:
        return TagLeaf(definition_id, tag)
    if operator in {"!=", "NOT CONTAINS"}:
        return Both((ExistsLeaf(definition_id), Unless(TagLeaf(definition_id, tag))))
    raise QuerySyntaxError("Sets are asked with CONTAINS.")


def leaves(bound: Bound) -> Iterator[Leaf]:
    """Every leaf of the tree."""
    match bound:
        case Both(parts) | Either(parts):
            for part in parts:
                yield from leaves(part)
        case Unless(part):
            yield from leaves(part)
        case _:
            yield bound


def kinds_of(definitions: Collection[Definition]) -> frozenset[AttributeKind]:
    return frozenset(each.kind for each in definitions)


def _number(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QuerySyntaxError(f"'{value[:50]}' is not a number.")
    return number


def _truth(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise QuerySyntaxError(f"'{value[:50]}' is not true or false.")
    return value.lower() == "true"


def _moment(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise QuerySyntaxError(f"'{value[:50]}' is not a date.") from None
