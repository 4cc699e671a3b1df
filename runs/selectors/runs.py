"""Reading runs for tables: a page of rows with the chosen columns, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from projects.exceptions import InvalidInput
from projects.models import Project
from runs.models import Attribute, AttributeKind, ContainerKind, Run
from runs.models.run import RunState
from runs.paths import below
from runs.selectors.cells import Cell
from runs.selectors.conditions import Definitions, load_definitions
from runs.selectors.contents import NAME, TAGS, read_contents
from runs.selectors.search import Search, load_runs, search_runs

MAX_COLUMNS = 50
MAX_PAGE = 1000
_SUGGESTED = 4
_LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class RunRow:
    run: Run
    name: str
    tags: tuple[str, ...]
    cells: Mapping[str, Cell]

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
    with_statistics: bool = True,
) -> RunPage:
    """A page of the project's runs with the attributes named in `columns`, series with their statistics if wanted.

    A constant number of queries. Raises InvalidInput for a bad cursor or too many columns, QuerySyntaxError for a query
    whose values don't fit.
    """
    if len(columns) > MAX_COLUMNS:
        raise InvalidInput(f"A table may have {MAX_COLUMNS} columns; {len(columns)} were asked for.", field="columns")
    limit = max(1, min(limit, MAX_PAGE))
    definitions = load_definitions(project.pk, {*search.paths(), *columns, *_ALWAYS_SHOWN})
    found = search_runs(project, search, limit=limit, cursor=cursor, with_total=with_total, definitions=definitions)
    runs = load_runs(found.run_ids)
    rows = _rows(project, runs, columns, definitions, with_statistics=with_statistics)
    return RunPage(rows, found.next_cursor, found.total)


def rows_for(project: Project, runs: Sequence[Run], columns: Sequence[str] = ()) -> list[RunRow]:
    """The rows of known runs of one project, in their order."""
    return _rows(project, runs, columns, load_definitions(project.pk, {*columns, *_ALWAYS_SHOWN}))


def _rows(
    project: Project,
    runs: Sequence[Run],
    columns: Sequence[str],
    definitions: Definitions,
    *,
    with_statistics: bool = True,
) -> list[RunRow]:
    for run in runs:
        _PROJECT.set_cached_value(run, project)
    paths = list(dict.fromkeys(columns))
    contents = read_contents(runs, paths, definitions, with_statistics=with_statistics)
    return [RunRow(run, each.name, each.tags, each.cells) for run, each in zip(runs, contents, strict=True)]


_PROJECT = Run._meta.get_field("project")
_ALWAYS_SHOWN = (NAME, TAGS)


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
