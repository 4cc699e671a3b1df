"""Reading runs for tables: a page of rows with the chosen columns, in a constant number of queries."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from projects.exceptions import InvalidInput
from projects.models import Project
from runs.models import Attribute, AttributeDefinition, AttributeKind, AttributeTag, ContainerKind, Run
from runs.models.run import RunState
from runs.paths import below
from runs.selectors.attributes import Value, cell_value

MAX_COLUMNS = 50
MAX_PAGE = 1000
_SUGGESTED = 4
_LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class Cell:
    """One attribute of one run in a table; statistics only for float series."""

    kind: AttributeKind
    value: Value
    count: int = 0
    last_step: float | None = None
    minimum: float | None = None
    maximum: float | None = None


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
    *,
    columns: Sequence[str] = (),
    limit: int,
    cursor: str = "",
    search: str = "",
    trashed: bool = False,
) -> RunPage:
    """A page of the project's runs, newest first, with the attributes named in `columns`.

    `search` matches the id, the name and the tags (any case). Raises InvalidInput for a bad cursor or too many columns.
    """
    if len(columns) > MAX_COLUMNS:
        raise InvalidInput(f"A table may have {MAX_COLUMNS} columns; {len(columns)} were asked for.", field="columns")
    limit = max(1, min(limit, MAX_PAGE))
    runs = _matching(project, search, trashed)
    total = runs.count()
    if cursor:
        created_at, pk = _read_cursor(cursor)
        runs = runs.filter(Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=pk))
    page = list(runs.select_related("owner").order_by("-created_at", "-pk")[: limit + 1])
    has_more = len(page) > limit
    page = page[:limit]
    return RunPage(
        rows=_rows(project, page, columns),
        next_cursor=_make_cursor(page[-1]) if has_more else "",
        total=total,
    )


def rows_for(project: Project, runs: Sequence[Run], columns: Sequence[str] = ()) -> list[RunRow]:
    """The rows of known runs of one project, in their order."""
    return _rows(project, runs, columns)


def _matching(project: Project, search: str, trashed: bool) -> QuerySet[Run]:
    runs = Run.objects.filter(project=project, kind=ContainerKind.RUN, trashed_at__isnull=not trashed)
    search = search.strip()
    if not search:
        return runs
    named = Attribute.objects.filter(definition__in=_definitions(project, ["sys/name"]), text__icontains=search).values(
        "run_id"
    )
    tagged = AttributeTag.objects.filter(
        definition__in=_definitions(project, ["sys/tags", "sys/group_tags"]), tag__icontains=search
    ).values("run_id")
    return runs.filter(
        Q(sys_id__icontains=search) | Q(custom_id__icontains=search) | Q(pk__in=named) | Q(pk__in=tagged)
    )


def _definitions(project: Project, paths: Sequence[str]) -> QuerySet[AttributeDefinition]:
    return AttributeDefinition.objects.filter(project=project, path__in=paths)


def _rows(project: Project, runs: Sequence[Run], columns: Sequence[str]) -> list[RunRow]:
    ids = [run.pk for run in runs]
    for run in runs:
        run.project = project
    wanted = list(dict.fromkeys([*columns, "sys/name"]))
    paths = dict(_definitions(project, wanted).values_list("id", "path"))
    cells: dict[int, dict[str, Cell]] = {pk: {} for pk in ids}
    names = (
        "run_id",
        "definition_id",
        "definition__kind",
        "flags",
        "number",
        "text",
        "count",
        "last_step",
        "minimum",
        "maximum",
    )
    for row in Attribute.objects.filter(run_id__in=ids, definition_id__in=paths).values_list(*names):
        run_id, definition_id, kind, flags, number, text, count, last_step, minimum, maximum = row
        kind = AttributeKind(kind)
        value = cell_value(kind, flags, number, text) if kind is not AttributeKind.GIT_REF else text
        if kind in {AttributeKind.FILE, AttributeKind.FILE_SET}:
            value = text
        cells[run_id][paths[definition_id]] = Cell(kind, value, count, last_step, minimum, maximum)
    tags = _tags(project, ids)
    return [
        RunRow(run, str(cells[run.pk].get("sys/name", _NO_NAME).value or ""), tags.get(run.pk, ()), cells[run.pk])
        for run in runs
    ]


_NO_NAME = Cell(AttributeKind.STRING, "")


def _tags(project: Project, run_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    rows = AttributeTag.objects.filter(definition__in=_definitions(project, ["sys/tags"]), run_id__in=run_ids)
    for run_id, tag in rows.order_by("tag").values_list("run_id", "tag"):
        found.setdefault(run_id, []).append(tag)
    return {run_id: tuple(tags) for run_id, tags in found.items()}


def suggest_columns(project: Project) -> list[str]:
    """Columns for a table nobody has arranged yet: the metrics and then the parameters that most of the latest runs
    have."""
    latest = _matching(project, "", trashed=False).order_by("-created_at", "-pk").values_list("pk", flat=True)
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


def _make_cursor(run: Run) -> str:
    return base64.urlsafe_b64encode(f"{run.created_at.isoformat()}|{run.pk}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    try:
        created_at, pk = base64.urlsafe_b64decode(cursor.encode("ascii")).decode().split("|")
        parsed = datetime.fromisoformat(created_at)
        if parsed.tzinfo is None:
            raise ValueError
        return parsed, _small_integer(pk)
    except (ValueError, binascii.Error, UnicodeError) as error:
        raise InvalidInput("The cursor is not one that this list gave out.", field="cursor") from error


def _small_integer(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError
    return number
