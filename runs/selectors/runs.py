"""Reading runs for tables: a page of rows with the chosen columns, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count

from projects.exceptions import InvalidInput
from projects.models import Project
from runs.models import Attribute, AttributeKind, AttributeTag, ContainerKind, Run
from runs.models.run import RunState
from runs.paths import below
from runs.query import Aggregate
from runs.selectors.attributes import Value, cell_value
from runs.selectors.conditions import Definitions, load_definitions
from runs.selectors.search import Search, load_runs, search_runs

MAX_COLUMNS = 50
MAX_PAGE = 1000
_SUGGESTED = 4
_LOOKED_AT = 20


@dataclass(slots=True)
class Cell:
    """One attribute of one run in a table; statistics only for float series, over finite values."""

    kind: AttributeKind
    value: Value
    count: int = 0
    last_step: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    variance: float | None = None

    def figure(self, aggregate: Aggregate) -> Value:
        """The figure of a series that stands for it; other attributes have only their value."""
        if aggregate is Aggregate.LAST or not self.kind.is_series:
            return self.value
        return {
            Aggregate.COUNT: self.count,
            Aggregate.MINIMUM: self.minimum,
            Aggregate.MAXIMUM: self.maximum,
            Aggregate.MEAN: self.mean,
            Aggregate.VARIANCE: self.variance,
        }[aggregate]


@dataclass(frozen=True, slots=True)
class RunRow:
    run: Run
    name: str
    tags: tuple[str, ...]
    cells: dict[str, Cell] = field(default_factory=dict)

    @property
    def state(self) -> RunState:
        return self.run.state

    @property
    def last_activity_at(self) -> datetime:
        pinged = self.run.last_ping_at
        return max(self.run.touched_at, pinged) if pinged else self.run.touched_at


@dataclass(frozen=True, slots=True)
class RunPage:
    """`next_cursor` is empty on the last page; `total` counts all runs that match."""

    rows: list[RunRow]
    next_cursor: str
    total: int


def list_runs(
    project: Project,
    search: Search,
    *,
    columns: Sequence[str] = (),
    limit: int,
    cursor: str = "",
    with_total: bool = True,
) -> RunPage:
    """A page of the project's runs with the attributes named in `columns`.

    A constant number of queries. Raises InvalidInput for a bad cursor or too many columns, QuerySyntaxError for a query
    whose values don't fit.
    """
    if len(columns) > MAX_COLUMNS:
        raise InvalidInput(f"A table may have {MAX_COLUMNS} columns; {len(columns)} were asked for.", field="columns")
    limit = max(1, min(limit, MAX_PAGE))
    definitions = load_definitions(project.pk, {*search.paths(), *columns, *_ALWAYS_SHOWN})
    found = search_runs(project, search, limit=limit, cursor=cursor, with_total=with_total, definitions=definitions)
    runs = load_runs(found.run_ids)
    return RunPage(_rows(project, runs, columns, definitions), found.next_cursor, found.total)


def rows_for(project: Project, runs: Sequence[Run], columns: Sequence[str] = ()) -> list[RunRow]:
    """The rows of known runs of one project, in their order."""
    return _rows(project, runs, columns, load_definitions(project.pk, {*columns, *_ALWAYS_SHOWN}))


def _rows(project: Project, runs: Sequence[Run], columns: Sequence[str], definitions: Definitions) -> list[RunRow]:
    ids = [run.pk for run in runs]
    for run in runs:
        run.project = project
    cells = _cells(ids, [*dict.fromkeys([*columns, "sys/name"])], definitions)
    tags = _tags(ids, definitions)
    return [
        RunRow(run, str(cells[run.pk].get("sys/name", _NO_NAME).value or ""), tags.get(run.pk, ()), cells[run.pk])
        for run in runs
    ]


_ALWAYS_SHOWN = ("sys/name", "sys/tags")
_NO_NAME = Cell(AttributeKind.STRING, "")
_CELL_COLUMNS = (
    "run_id",
    "definition_id",
    "flags",
    "number",
    "text",
    "count",
    "last_step",
    "minimum",
    "maximum",
    "total",
    "sum_squares",
    "finite_count",
)
_SHOWN_AS_TEXT = frozenset({AttributeKind.GIT_REF, AttributeKind.FILE, AttributeKind.FILE_SET})


def _cells(ids: Sequence[int], paths: Sequence[str], definitions: Definitions) -> dict[int, dict[str, Cell]]:
    cells: dict[int, dict[str, Cell]] = {pk: {} for pk in ids}
    shown = {each.id: each for path in paths for each in definitions.get(path, ())}
    # The plain condition on both ids is answered from the unique index, one look-up per cell.
    rows = Attribute.objects.filter(run_id__in=ids, definition_id__in=list(shown)).order_by()
    for row in rows.values_list(*_CELL_COLUMNS) if ids and shown else ():
        run_id, definition_id, flags, number, text, count, last_step, minimum, maximum, total, squares, finite = row
        definition = shown[definition_id]
        kind = definition.kind
        if kind is AttributeKind.FLOAT_SERIES:
            mean = total / finite if finite else None
            variance = max(0.0, squares / finite - mean * mean) if mean is not None else None
            value = _NAN if flags else number
            cell = Cell(kind, value, count, last_step, minimum, maximum, mean, variance)
        elif kind is AttributeKind.FLOAT:
            cell = Cell(kind, _NAN if flags else number)
        else:
            shown_value = text if kind in _SHOWN_AS_TEXT else cell_value(kind, flags, number, text)
            cell = Cell(kind, shown_value, count, last_step)
        cells[run_id][definition.path] = cell
    return cells


_NAN = float("nan")


def _tags(run_ids: Sequence[int], definitions: Definitions) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    ids = [each.id for each in definitions.get("sys/tags", ())]
    if ids and run_ids:
        rows = AttributeTag.objects.filter(definition_id__in=ids, run_id__in=run_ids)
        for run_id, tag in rows.order_by("tag").values_list("run_id", "tag"):
            found.setdefault(run_id, []).append(tag)
    return {run_id: tuple(tags) for run_id, tags in found.items()}


def suggest_columns(project: Project) -> list[str]:
    """Columns for a table nobody has arranged yet: the metrics and then the parameters that most of the latest runs
    have."""
    runs = Run.objects.filter(project=project, kind=ContainerKind.RUN, trashed_at__isnull=True)
    latest = runs.order_by("-created_at", "-pk").values_list("pk", flat=True)
    attributes = Attribute.objects.filter(run_id__in=list(latest[:_LOOKED_AT])).exclude(
        below("sys", "definition__path")
    )
    scalars = [AttributeKind.FLOAT, AttributeKind.INT, AttributeKind.BOOL, AttributeKind.STRING]
    parameters = attributes.filter(below("parameters", "definition__path"), definition__kind__in=scalars)
    metrics = attributes.filter(definition__kind=AttributeKind.FLOAT_SERIES)
    return [
        path
        for some in (metrics.exclude(below("monitoring", "definition__path")), parameters)
        for path, _ in some.order_by()
        .values_list("definition__path")
        .annotate(runs=Count("run_id", distinct=True))
        .order_by("-runs", "definition__path")[:_SUGGESTED]
    ]
