"""A random table of runs, in the database and as plain Python values, and what a search over it must give."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from projects.models import Project
from runs.models import Attribute, AttributeKind, AttributeTag, Run
from runs.models.attribute import MAX_INDEXED_TEXT
from runs.query import Aggregate, All, Condition, Not, Query
from runs.query import Any as AnyOf
from runs.selectors.ordering import Sort
from runs.services.attributes import resolve_definitions, value_columns

START = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = [-2.5, 0.0, 0.5, 0.5, 1.0, 1e300, -1e-300, math.inf, -math.inf, math.nan]
TEXTS = ["", "a", "A", "b", "é", "ä", "Z", "a_b", "a%b", "日本", "x" * 256, "x" * 256 + "y", "x" * 256 + "z", "x" * 300]
TAGS = ["red", "Red", "green", "100%"]
K = AttributeKind
PATHS: dict[str, list[AttributeKind]] = {
    "f": [K.FLOAT],
    "mixed": [K.FLOAT, K.STRING, K.INT, K.FLOAT_SERIES],
    "loss": [K.FLOAT_SERIES],
    "text": [K.STRING],
    "flag": [K.BOOL],
    "when": [K.DATETIME],
    "sys/tags": [K.STRING_SET],
    "lines": [K.STRING_SERIES],
}


@dataclass
class Series:
    values: list[float]

    @property
    def finite(self) -> list[float]:
        return [each for each in self.values if math.isfinite(each)]


@dataclass
class Line:
    """A run as the model knows it: its values by path."""

    run: Run
    cells: dict[str, tuple[AttributeKind, Any]] = field(default_factory=dict)


class Table:
    def __init__(self, project: Project, seed: int) -> None:
        self.project, self.random = project, random.Random(seed)  # noqa: S311 - reproducible, not secret
        self.lines: dict[int, Line] = {}

    def add(self, count: int) -> None:
        """New runs with random attributes."""
        first = len(self.lines)
        Project.objects.filter(pk=self.project.pk).update(last_run_number=first + count)
        made = Run.objects.bulk_create(
            Run(
                project=self.project,
                sys_id=f"TUT-{number}",
                number=number,
                created_at=START + timedelta(seconds=self.random.randrange(50)),
                size_bytes=self.random.randrange(3),
            )
            for number in range(first + 1, first + count + 1)
        )
        for run in made:
            self.lines[run.pk] = Line(run)
            self.fill(self.lines[run.pk], PATHS)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:  # as its autovacuum does for rows that were committed
                cursor.execute("ANALYZE runs_run, runs_attribute, runs_attributetag")

    def fill(self, line: Line, paths: Any) -> None:
        """Give the run other values at the paths, or none."""
        Run.objects.filter(pk=line.run.pk).update(values_changed_at=timezone.now())
        ids = resolve_definitions(self.project.pk, [(path, kind) for path in PATHS for kind in PATHS[path]])
        for path in paths:
            old = [ids[path, kind] for kind in PATHS[path]]
            Attribute.objects.filter(run=line.run, definition_id__in=old).delete()
            AttributeTag.objects.filter(run=line.run, definition_id__in=old).delete()
            line.cells.pop(path, None)
            if self.random.random() < 0.25:
                continue
            kind = self.random.choice(PATHS[path])
            value = self._value(kind)
            line.cells[path] = (kind, value)
            Attribute.objects.create(run=line.run, definition_id=ids[path, kind], **columns(kind, value))
            if kind is K.STRING_SET:
                AttributeTag.objects.bulk_create(
                    AttributeTag(run=line.run, definition_id=ids[path, kind], tag=tag) for tag in value
                )

    def _value(self, kind: AttributeKind) -> Any:
        choose = self.random.choice
        match kind:
            case K.FLOAT:
                return choose(NUMBERS)
            case K.INT:
                return choose([-3, 0, 1, 2, 2**60])
            case K.BOOL:
                return choose([True, False])
            case K.DATETIME:
                return START + timedelta(hours=self.random.randrange(5))
            case K.FLOAT_SERIES:
                return Series([choose([*NUMBERS[:5], math.nan, math.inf]) for _ in range(choose([0, 1, 3]))])
            case K.STRING_SET:
                return {tag for tag in TAGS if self.random.random() < 0.4}
        return choose(TEXTS)

    def condition(self) -> Condition:
        """A random comparison that makes sense for its path."""
        choose = self.random.choice
        path = choose(list(PATHS))
        kind = choose(PATHS[path])
        type_ = choose(["", kind.label])
        aggregate = Aggregate.LAST
        operator = choose(["=", "!=", "<", "<=", ">", ">="])
        match kind:
            case K.STRING_SET:
                return Condition(path, type_, choose(["CONTAINS", "NOT CONTAINS"]), choose(TAGS))
            case K.STRING | K.STRING_SERIES:
                contains = choose([operator, "CONTAINS", "NOT CONTAINS"])
                return Condition(path, type_ if path == "mixed" else kind.label, contains, choose(TEXTS))
            case K.BOOL:
                return Condition(path, type_, operator, choose(["true", "false"]))
            case K.DATETIME:
                return Condition(path, type_, operator, (START + timedelta(hours=choose(range(5)))).isoformat())
            case K.FLOAT_SERIES:
                type_ = kind.label
                aggregate = choose(list(Aggregate))
        return Condition(path, type_, operator, str(choose([-2.5, 0, 0.5, 1, 3])), aggregate)

    def query(self, depth: int = 2) -> Query:
        if depth == 0 or self.random.random() < 0.4:
            return self.condition()
        parts = tuple(self.query(depth - 1) for _ in range(self.random.choice([1, 2, 3])))
        made: list[Query] = [All(parts), AnyOf(parts), Not(parts[0])]
        return self.random.choice(made)

    def sort(self) -> Sort:
        path = self.random.choice([*PATHS, "sys/creation_time", "sys/id", "sys/size", "nothing"])
        aggregate = self.random.choice(list(Aggregate)) if path in {"loss", "mixed"} else Aggregate.LAST
        return Sort(path, aggregate, self.random.random() < 0.5)

    def expected(self, query: Query, sort: Sort) -> list[int]:
        """Ids of the runs outside the trash that match, in order."""
        lines = [line for line in self.lines.values() if line.run.trashed_at is None and holds(query, line)]
        groups: dict[int, list[tuple[Any, int]]] = {group: [] for group in range(4)}
        for line in lines:
            group, value = sort_value(line, sort)
            groups[group].append((value, line.run.pk))
        return [pk for group in groups.values() for _, pk in sorted(group, reverse=sort.is_descending)]


def columns(kind: AttributeKind, value: Any) -> dict[str, Any]:
    """The columns of an attribute row."""
    if kind is K.STRING_SET:
        return {}
    if kind is K.STRING_SERIES:
        return {**value_columns(K.STRING, value), "count": 1}
    if kind is not K.FLOAT_SERIES:
        return value_columns(kind, value)
    finite = value.finite
    last = value_columns(K.FLOAT, value.values[-1]) if value.values else {}
    return {
        **last,
        "count": len(value.values),
        "minimum": min(finite, default=None),
        "maximum": max(finite, default=None),
        "total": math.fsum(finite),
        "sum_squares": math.fsum(each * each for each in finite if abs(each) < 1e150),
        "finite_count": len(finite),
    }


def figure(kind: AttributeKind, value: Any, aggregate: Aggregate) -> float | None:
    """The number an attribute has; None without one."""
    if kind is K.FLOAT_SERIES:
        finite = value.finite
        match aggregate:
            case Aggregate.LAST:
                return value.values[-1] if value.values else None
            case Aggregate.COUNT:
                return len(value.values)
            case Aggregate.MINIMUM:
                return min(finite, default=None)
            case Aggregate.MAXIMUM:
                return max(finite, default=None)
            case Aggregate.MEAN:
                return math.fsum(finite) / len(finite) if finite else None
            case Aggregate.VARIANCE:
                if not finite:
                    return None
                mean = math.fsum(finite) / len(finite)
                return max(0.0, math.fsum(each * each for each in finite) / len(finite) - mean * mean)
    if kind is K.STRING_SERIES and aggregate is Aggregate.COUNT:
        return 1
    if aggregate is not Aggregate.LAST or kind in {K.STRING, K.STRING_SERIES, K.STRING_SET}:
        return None
    return value.timestamp() * 1000 if kind is K.DATETIME else float(value)


COMPARE: dict[str, Any] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "CONTAINS": lambda a, b: b in a,
    "NOT CONTAINS": lambda a, b: b not in a,
}


def holds(query: Query, line: Line) -> bool:
    match query:
        case All(parts):
            return all(holds(part, line) for part in parts)
        case AnyOf(parts):
            return any(holds(part, line) for part in parts)
        case Not(part):
            return not holds(part, line)
        case Condition():
            return compares(query, line)


def compares(condition: Condition, line: Line) -> bool:
    if condition.path not in line.cells:
        return False
    kind, value = line.cells[condition.path]
    if condition.type and condition.type != kind.label:
        return False
    compare = COMPARE[condition.operator]
    is_negative = condition.operator in {"!=", "NOT CONTAINS"}
    if kind in {K.STRING, K.STRING_SERIES, K.STRING_SET} and condition.aggregate is Aggregate.LAST:
        if kind is K.STRING_SET and "CONTAINS" not in condition.operator:
            return is_negative
        return bool(compare(value, condition.value))
    wanted = parsed(kind, condition.value)
    number = figure(kind, value, condition.aggregate)
    if wanted is None or number is None or math.isnan(number) or "CONTAINS" in condition.operator:
        return is_negative
    return bool(compare(number, wanted))


def parsed(kind: AttributeKind, text: str) -> float | None:
    try:
        match kind:
            case K.BOOL:
                return {"true": 1.0, "false": 0.0}[text]
            case K.DATETIME:
                return datetime.fromisoformat(text).timestamp() * 1000
        return float(text)
    except (KeyError, ValueError):
        return None


def sort_value(line: Line, sort: Sort) -> tuple[int, Any]:
    """The group of a run in the order, and its value there."""
    columns_of_run = {
        "sys/creation_time": line.run.created_at,
        "sys/id": line.run.number,
        "sys/size": line.run.size_bytes,
    }
    if sort.path in columns_of_run:
        return 0, columns_of_run[sort.path]
    if sort.path not in line.cells:
        return 3, 0
    kind, value = line.cells[sort.path]
    if kind in {K.STRING, K.STRING_SERIES} and sort.aggregate is Aggregate.LAST:
        return 1, value[:MAX_INDEXED_TEXT]
    number = figure(kind, value, sort.aggregate)
    if number is None:
        return 3, 0
    return (2, 0) if math.isnan(number) else (0, number)
