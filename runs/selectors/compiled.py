"""Conditions as SQL.

Raw SQL, because what the ORM makes of such filters was measured to miss the indexes: each attribute condition must
become one set of run ids from one index over values, and both databases must order texts by code points. Every value
is a parameter. All statements of the search are made here and in runs/selectors/ordering.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from django.db import connection
from django.utils import timezone

from projects.rows import fetch
from runs.models import ContainerKind
from runs.models.attribute import MAX_INDEXED_TEXT
from runs.models.run import PING_TIMEOUT
from runs.query import Aggregate
from runs.selectors.conditions import (
    ALWAYS,
    Both,
    Bound,
    ColumnLeaf,
    Either,
    ExistsLeaf,
    NumberLeaf,
    StateLeaf,
    TagLeaf,
    TextLeaf,
    TrashLeaf,
    Unless,
)

_SETS_JOINED = 6  # further sets of one AND are intersected first: planning many joins costs more than running them
_COMPOUND = 200  # SQLite takes 500 parts in one UNION


@dataclass(frozen=True, slots=True)
class Sql:
    text: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """The runs among which is searched. `trashed` None means both those in the trash and the others."""

    project_id: int
    kinds: tuple[ContainerKind, ...] = (ContainerKind.RUN,)
    trashed: bool | None = False
    condition: Bound = ALWAYS
    text: str = ""  # part of the id, the name or a tag, in any case
    name_ids: tuple[int, ...] = ()
    tag_ids: tuple[int, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the project, the kinds and the trash narrow it."""
        return self.condition == ALWAYS and not self.text


def is_sqlite() -> bool:
    return connection.vendor == "sqlite"


def in_code_points(expression: str) -> str:
    """The expression, compared and sorted by code points: SQLite does nothing else, PostgreSQL goes by its locale."""
    return expression if is_sqlite() else f'{expression} COLLATE "C"'


def figure(aggregate: Aggregate, row: str = "a") -> str:
    """The expression of an aggregate over an attribute row. Figures beyond what double precision squares are left out:
    PostgreSQL refuses to compute them."""
    match aggregate:
        case Aggregate.LAST:
            return f"{row}.number"
        case Aggregate.MINIMUM:
            return f"{row}.minimum"
        case Aggregate.MAXIMUM:
            return f"{row}.maximum"
        case Aggregate.COUNT:
            return f"{row}.count"
        case Aggregate.MEAN:
            quotient = f"CASE WHEN abs({row}.total) < 1e-290 THEN 0.0 ELSE {row}.total / {row}.finite_count END"
            return f"CASE WHEN {row}.finite_count > 0 THEN {quotient} END"
        case Aggregate.VARIANCE:
            mean = f"({row}.total / {row}.finite_count)"
            squares = f"CASE WHEN {row}.sum_squares < 1e-290 THEN 0.0 ELSE {row}.sum_squares / {row}.finite_count END"
            square = f"CASE WHEN abs({row}.total) < 1e-140 THEN 0.0 ELSE {mean} * {mean} END"
            known = f"{row}.finite_count > 0 AND abs({row}.total) < 1e150 AND {row}.sum_squares < 1e300"
            largest = "max" if is_sqlite() else "greatest"
            return f"CASE WHEN {known} THEN {largest}(0.0, {squares} - {square}) END"


class Compiler:
    """Makes the conditions of one search into SQL; aliases are counted, so that parts can stand inside each other."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._aliases = count(1)
        self._alive_since = connection.ops.adapt_datetimefield_value(timezone.now() - PING_TIMEOUT)

    def runs(self, run: str = "r", run_id: str = "r.id") -> Sql:
        """The condition that a run is among those searched for: `run` is the alias of the runs table, `run_id` the
        expression by which sets of ids are joined."""
        scope = self._scope
        marks = ", ".join(["%s"] * len(scope.kinds))
        parts = [Sql(f"{run}.project_id = {scope.project_id:d} AND {run}.kind IN ({marks})", scope.kinds)]
        if len(scope.kinds) == 1:
            parts = [Sql(f"{run}.project_id = {scope.project_id:d} AND {run}.kind = %s", scope.kinds)]
        if scope.trashed is not None:
            parts.append(Sql(f"{run}.trashed_at IS {'NOT NULL' if scope.trashed else 'NULL'}"))
        if scope.condition != ALWAYS:
            parts.append(self.holds(scope.condition, run, run_id))
        if scope.text:
            parts.append(self._has_text(run, run_id))
        return _joined("AND", parts)

    def state_rank(self, run: str = "r") -> Sql:
        """Running, finished, stopped, failed as 0 to 3."""
        alive = self._alive(run)
        ended = f"WHEN {run}.stopped_at IS NOT NULL THEN 2 ELSE 1"
        return Sql(f"CASE WHEN {run}.failed THEN 3 WHEN {alive.text} THEN 0 {ended} END", alive.values)

    def holds(self, bound: Bound, run: str, run_id: str) -> Sql:
        """The condition for one run; never null."""
        match bound:
            case Both(parts):
                return self._all(parts, run, run_id)
            case Either(parts):
                return self._any(parts, run, run_id)
            case Unless(part):
                return self._not(part, run, run_id)
            case ColumnLeaf():
                return self._column(bound, run)
            case StateLeaf(state):
                return self._state(state, run)
            case TrashLeaf(is_trashed):
                return Sql(f"{run}.trashed_at IS {'NOT NULL' if is_trashed else 'NULL'}")
            case _:
                ids = self.ids(bound)
                return Sql(f"{run_id} IN ({ids.text})", ids.values)

    def ids(self, bound: Bound) -> Sql:
        """A statement that gives the ids of the runs for which the condition holds, as `run_id`."""
        match bound:
            case NumberLeaf():
                return self._number(bound)
            case TextLeaf():
                return _rows(bound.definition_id, _text_condition(bound))
            case ExistsLeaf(definition_id):
                return _rows(definition_id, Sql("1 = 1"))
            case TagLeaf(definition_id, tag):
                return _tagged(definition_id, Sql("t.tag = %s", (tag,)))
            case _:
                run = f"r{next(self._aliases)}"
                inner = self.holds(bound, run, f"{run}.id")
                return Sql(
                    f"SELECT {run}.id AS run_id FROM runs_run {run}"
                    f" WHERE {run}.project_id = {self._scope.project_id:d} AND {inner.text}",
                    inner.values,
                )

    def _all(self, parts: Sequence[Bound], run: str, run_id: str) -> Sql:
        sets = [part for part in parts if _is_set(part)]
        rest = [part for part in parts if not _is_set(part)]
        found = [self.holds(part, run, run_id) for part in (*rest, *sets[:_SETS_JOINED])]
        found += [
            _among(run_id, " INTERSECT ", [self.ids(part) for part in some])
            for some in _batches(sets[_SETS_JOINED:], _COMPOUND)
        ]
        return _joined("AND", found)

    def _any(self, parts: Sequence[Bound], run: str, run_id: str) -> Sql:
        names = [part for part in parts if isinstance(part, ColumnLeaf) and (part.column, part.operator) == _NAMED]
        found: list[Sql] = []
        for start in range(0, len(names), _COMPOUND):
            values = tuple(part.value for part in names[start : start + _COMPOUND])
            found.append(Sql(f"{run}.sys_id IN ({', '.join(['%s'] * len(values))})", values))
        others = [part for part in parts if part not in names] if names else list(parts)
        sets = [part for part in others if _is_better_as_set(part)]
        found += [self.holds(part, run, run_id) for part in others if not _is_better_as_set(part)]
        for many in _batches(sets, _COMPOUND):
            found.append(_among(run_id, " UNION ALL ", [self.ids(part) for part in many]))
        return _joined("OR", found)

    def _not(self, part: Bound, run: str, run_id: str) -> Sql:
        if not _asks_attributes(part):
            inner = self.holds(part, run, run_id)
            return Sql(f"NOT ({inner.text})", inner.values)
        match part if is_sqlite() else None:
            case Both(parts):
                return self._any([Unless(each) for each in parts], run, run_id)
            case Either(parts):
                return self._all([Unless(each) for each in parts], run, run_id)
            case Unless(inner_part):
                return self.holds(inner_part, run, run_id)
        ids = self.ids(part)
        if is_sqlite():
            return Sql(f"{run_id} NOT IN ({ids.text})", ids.values)
        # PostgreSQL makes an anti-join of this, but would look through the whole list for each run with NOT IN.
        other = f"x{next(self._aliases)}"
        return Sql(f"NOT EXISTS (SELECT 1 FROM ({ids.text}) {other} WHERE {other}.run_id = {run_id})", ids.values)

    def _number(self, leaf: NumberLeaf) -> Sql:
        shown = figure(leaf.aggregate)
        if leaf.operator == "!=":
            return _rows(leaf.definition_id, Sql(f"({shown} IS NULL OR {shown} <> %s)", (leaf.value,)))
        return _rows(leaf.definition_id, Sql(f"{shown} {leaf.operator} %s", (leaf.value,)))

    def _column(self, leaf: ColumnLeaf, run: str) -> Sql:
        column = f"{run}.{leaf.column}"
        value = connection.ops.adapt_datetimefield_value(leaf.value) if isinstance(leaf.value, datetime) else leaf.value
        if leaf.column == "sys_id" and leaf.operator not in {"=", "!="}:
            return _contains(column, leaf.operator, str(value)) or Sql(
                f"{in_code_points(column)} {leaf.operator} %s", (value,)
            )
        if leaf.operator == "!=":
            return Sql(f"({column} IS NULL OR {column} <> %s)", (value,))
        return Sql(f"({column} IS NOT NULL AND {column} {leaf.operator} %s)", (value,))

    def _alive(self, run: str) -> Sql:
        return Sql(
            f"({run}.last_ping_at IS NOT NULL AND {run}.last_ping_at >= %s AND {run}.finished_at IS NULL)",
            (self._alive_since,),
        )

    def _state(self, state: str, run: str) -> Sql:
        alive = self._alive(run)
        ended = f"NOT {run}.failed AND NOT {alive.text} AND {run}.stopped_at IS"
        text = {
            "running": alive.text,
            "idle": f"NOT {alive.text}",
            "stopped": f"({ended} NOT NULL)",
            "finished": f"({ended} NULL)",
        }
        return Sql(text[state], alive.values) if state in text else Sql(f"{run}.{_FAILED}")

    def _has_text(self, run: str, run_id: str) -> Sql:
        pattern = f"%{_escaped(self._scope.text)}%"
        like = r"LIKE %s ESCAPE '\'" if is_sqlite() else "ILIKE %s"
        found = [Sql(f"{run}.sys_id {like}", (pattern,)), Sql(f"COALESCE({run}.custom_id, '') {like}", (pattern,))]
        found += [
            Sql(f"{run_id} IN ({each.text})", each.values)
            for each in (
                *(_rows(pk, Sql(f"a.text {like}", (pattern,))) for pk in self._scope.name_ids),
                *(_tagged(pk, Sql(f"t.tag {like}", (pattern,))) for pk in self._scope.tag_ids),
            )
        ]
        return _joined("OR", found)


_NAMED = ("sys_id", "=")
_FAILED = "failed"


def _is_set(bound: Bound) -> bool:
    return isinstance(bound, NumberLeaf | TextLeaf | TagLeaf | ExistsLeaf)


def _is_better_as_set(bound: Bound) -> bool:
    """Whether an alternative becomes a set of ids of its own. PostgreSQL joins one set quickly, while it may go through
    each of several for every run; SQLite looks up sets of any number, but parses only so many inside each other."""
    return _is_set(bound) if is_sqlite() else _asks_attributes(bound)


def _asks_attributes(bound: Bound) -> bool:
    match bound:
        case Both(parts) | Either(parts):
            return any(_asks_attributes(part) for part in parts)
        case Unless(part):
            return _asks_attributes(part)
        case _:
            return _is_set(bound)


def _rows(definition_id: int, condition: Sql) -> Sql:
    return Sql(
        f"SELECT a.run_id FROM runs_attribute a WHERE a.definition_id = {definition_id:d} AND {condition.text}",
        condition.values,
    )


def _tagged(definition_id: int, condition: Sql) -> Sql:
    return Sql(
        f"SELECT t.run_id FROM runs_attributetag t WHERE t.definition_id = {definition_id:d} AND {condition.text}",
        condition.values,
    )


def _text_condition(leaf: TextLeaf) -> Sql:
    """Texts beyond the indexed length are compared whole, after the index has narrowed the choice."""
    text, whole, head = in_code_points("a.text"), in_code_points("COALESCE(a.long_text, a.text)"), leaf.value
    is_long, head = len(leaf.value) >= MAX_INDEXED_TEXT, leaf.value[:MAX_INDEXED_TEXT]
    operator = leaf.operator
    contained = _contains("COALESCE(a.long_text, a.text)", operator, leaf.value)
    if contained is not None:
        return contained
    if operator in {"=", "!="}:
        same = Sql(f"{text} = %s", (head,))
        if is_long:
            same = Sql(f"({text} = %s AND COALESCE(a.long_text, a.text) = %s)", (head, leaf.value))
        return same if operator == "=" else Sql(f"(a.text IS NULL OR NOT {same.text})", same.values)
    return Sql(f"{text} {operator[0]}= %s AND {whole} {operator} %s", (head, leaf.value))


def _contains(expression: str, operator: str, value: str) -> Sql | None:
    place = f"{'instr' if is_sqlite() else 'strpos'}({expression}, %s)"
    if operator == "CONTAINS":
        return Sql(f"{place} > 0", (value,))
    return Sql(f"COALESCE({place}, 0) = 0", (value,)) if operator == "NOT CONTAINS" else None


def _among(run_id: str, operator: str, sets: Sequence[Sql]) -> Sql:
    """One of the ids that the sets give together. PostgreSQL would flatten many sets into one plan and take minutes to
    find the best one; a materialized expression is planned for itself."""
    text = operator.join(each.text for each in sets)
    if len(sets) > 1 and not is_sqlite():
        text = f"WITH given AS MATERIALIZED ({text}) SELECT run_id FROM given"
    return Sql(f"{run_id} IN ({text})", tuple(value for each in sets for value in each.values))


def _joined(word: str, parts: Sequence[Sql]) -> Sql:
    """The parts in a tree of parentheses, for SQLite limits the depth of a chain; and the largest first, for its parser
    keeps everything that stands before an open parenthesis."""
    if not parts:
        return Sql("1 = 1" if word == "AND" else "1 = 0")
    if len(parts) == 1:
        return parts[0]
    parts = sorted(parts, key=lambda each: -len(each.text)) if is_sqlite() else parts
    middle = len(parts) // 2
    left, right = _joined(word, parts[:middle]), _joined(word, parts[middle:])
    return Sql(f"({left.text} {word} {right.text})", (*left.values, *right.values))


def _batches(parts: Sequence[Bound], size: int) -> Iterator[Sequence[Bound]]:
    for start in range(0, len(parts), size):
        yield parts[start : start + size]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def rows_of(statement: Sql) -> list[tuple[Any, ...]]:
    """What a statement gives."""
    return fetch(statement.text, statement.values)
