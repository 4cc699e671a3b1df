"""Reading a run's attributes: values, summaries of series, and what the platform knows of the run itself."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import nsmallest
from typing import TypeAlias

from django.db.models import QuerySet

from runs.models import (
    Attribute,
    AttributeDefinition,
    AttributeKind,
    AttributeTag,
    ContainerKind,
    FileEntry,
    FileSeriesEntry,
    Run,
)
from runs.models.attribute import ValueFlag
from runs.paths import below
from runs.series import runs_with_waiting_points, store
from runs.series.base import SeriesSummary

Value: TypeAlias = float | int | bool | str | datetime | list[str] | dict[str, object] | None

_POINT_SERIES = {AttributeKind.FLOAT_SERIES, AttributeKind.STRING_SERIES}
_COLUMNS = (
    "run_id",
    "definition_id",
    "definition__path",
    "definition__kind",
    "flags",
    "number",
    "text",
    "long_text",
    "count",
    "last_step",
    "last_ms",
    "minimum",
    "maximum",
    "total",
    "sum_squares",
    "finite_count",
    "unit",
    "range_minimum",
    "range_maximum",
)


@dataclass(frozen=True, slots=True)
class FileView:
    """What a file attribute holds; `uuid` is the stored file's."""

    uuid: str
    name: str
    extension: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class AttributeView:
    """An attribute as people and clients see it.

    `value` is the value itself, for series the last one, for string sets the sorted members, for git references their
    document. `definition_id` is None for the sys/ attributes that are computed. Statistics are given for series only.
    """

    path: str
    kind: AttributeKind
    value: Value
    definition_id: int | None = None
    count: int = 0
    last_step: float | None = None
    last_ms: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    variance: float | None = None
    unit: str = ""
    range_minimum: float | None = None
    range_maximum: float | None = None
    file: FileView | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    run_id: int
    definition_id: int
    path: str
    kind: int
    flags: int
    number: float | None
    text: str | None
    long_text: str | None
    count: int
    last_step: float | None
    last_ms: int | None
    minimum: float | None
    maximum: float | None
    total: float
    sum_squares: float
    finite_count: int
    unit: str
    range_minimum: float | None
    range_maximum: float | None

    @property
    def key(self) -> _Key:
        return self.run_id, self.definition_id


_Key: TypeAlias = tuple[int, int]  # ids of the run and the definition


@dataclass(slots=True)
class _Extras:
    """What is not on the attribute rows: members of string sets, files, and summaries of series whose latest points
    still wait in the log."""

    tags: dict[_Key, list[str]] = field(default_factory=dict)
    files: dict[_Key, FileView] = field(default_factory=dict)
    summaries: dict[_Key, SeriesSummary] = field(default_factory=dict)


def list_attributes(
    run: Run,
    *,
    prefix: str = "",
    search: str = "",
    kinds: Collection[AttributeKind] = (),
    after: str = "",
    limit: int | None = None,
) -> list[AttributeView]:
    """The run's attributes by path, with the computed sys/ ones among them.

    `prefix` keeps those in a namespace, `search` those whose path contains the text (any case), `kinds` those of the
    kinds (all when empty), `after` those behind a path (for paging). Costs a constant number of queries.
    """
    rows = Attribute.objects.filter(run=run)
    if kinds:
        rows = rows.filter(definition__kind__in=kinds)
    if prefix:
        rows = rows.filter(definition__project_id=run.project_id).filter(below(prefix, "definition__path"))
    if search:
        rows = rows.filter(definition__path__icontains=search)
    if limit is not None:
        rows = _first_by_path(run, rows, after, limit)
    views = {view.path: view for view in _views([run.pk], rows)[run.pk]}
    for view in system_attributes(run):
        is_inside = (not prefix or view.path.startswith(f"{prefix}/")) and (not kinds or view.kind in kinds)
        if is_inside and search.lower() in view.path.lower():
            views[view.path] = view
    ordered = [views[path] for path in sorted(views) if path > after]
    return ordered if limit is None else ordered[:limit]


def _first_by_path(run: Run, rows: QuerySet[Attribute], after: str, limit: int) -> QuerySet[Attribute]:
    """Those of the rows that come first behind a path. Only names are read to find them: a run may have very many."""
    named = rows.order_by().values_list("definition__path", "definition_id")
    first = nsmallest(limit, (name for name in named if name[0] > after))
    return Attribute.objects.filter(run=run, definition_id__in=[pk for _, pk in first])


def get_attributes(run: Run, paths: Sequence[str]) -> dict[str, AttributeView]:
    """Those of the named attributes that the run has, by path."""
    found = {view.path: view for view in system_attributes(run) if view.path in paths}
    rows = Attribute.objects.filter(run=run, definition__path__in=paths)
    for view in _views([run.pk], rows)[run.pk]:
        found.setdefault(view.path, view)
    return found


def attributes_of_runs(runs: Sequence[Run], paths: Sequence[str] | None = None) -> dict[int, list[AttributeView]]:
    """The attributes of several runs (or those named), by run id; a constant number of queries, and one more for each
    run that has points in the log."""
    rows = Attribute.objects.filter(run__in=runs)
    if paths is not None:
        rows = rows.filter(definition__path__in=paths)
    found = _views([run.pk for run in runs], rows)
    for run in runs:
        found[run.pk] += [view for view in system_attributes(run) if paths is None or view.path in paths]
    return found


def get_attribute(run: Run, path: str) -> AttributeView | None:
    """One attribute, or None when the run has none at that path."""
    return get_attributes(run, [path]).get(path)


def list_definitions(
    project_id: int,
    *,
    search: str = "",
    kind: AttributeKind | None = None,
    after: tuple[str, int] = ("", 0),
    limit: int,
) -> list[AttributeDefinition]:
    """The attribute catalogue of a project by (path, kind), behind `after`."""
    rows = AttributeDefinition.objects.filter(project_id=project_id)
    if search:
        rows = rows.filter(path__icontains=search)
    if kind is not None:
        rows = rows.filter(kind=kind)
    path, kind_value = after
    if path:
        rows = rows.filter(path__gte=path).exclude(path=path, kind__lte=kind_value)
    return list(rows.order_by("path", "kind")[:limit])


def _views(run_ids: Sequence[int], rows: QuerySet[Attribute]) -> dict[int, list[AttributeView]]:
    # Asked before the rows are read: points that are flushed in between are then found in one place or the other.
    waiting = set(runs_with_waiting_points(run_ids))
    loaded = [_Row(*values) for values in rows.values_list(*_COLUMNS)]
    extras = _load_extras(loaded, waiting)
    views: dict[int, list[AttributeView]] = {pk: [] for pk in run_ids}
    for row in loaded:
        views[row.run_id].append(_view(row, extras))
    return views


def _load_extras(rows: Iterable[_Row], waiting: Collection[int]) -> _Extras:
    by_kind: dict[AttributeKind, list[_Row]] = {}
    for row in rows:
        by_kind.setdefault(AttributeKind(row.kind), []).append(row)
    extras = _Extras()
    if sets := by_kind.get(AttributeKind.STRING_SET):
        tags = AttributeTag.objects.filter(run_id__in=_runs(sets), definition_id__in=_definitions(sets))
        for run_id, definition_id, tag in tags.order_by("tag").values_list("run_id", "definition_id", "tag"):
            extras.tags.setdefault((run_id, definition_id), []).append(tag)
    if files := by_kind.get(AttributeKind.FILE):
        for entry in FileEntry.objects.filter(run_id__in=_runs(files), path="").select_related("file"):
            extras.files[entry.run_id, entry.definition_id] = FileView(
                str(entry.file.uuid), entry.name, entry.extension, entry.file.size, entry.file.media_type
            )
    series = [row for kind in _POINT_SERIES for row in by_kind.get(kind, [])]
    for run_id in waiting:
        ids = [row.definition_id for row in series if row.run_id == run_id]
        if ids:
            extras.summaries |= {(run_id, pk): each for pk, each in store.summaries(run_id, ids).items()}
    return extras


def _runs(rows: Iterable[_Row]) -> set[int]:
    return {row.run_id for row in rows}


def _definitions(rows: Iterable[_Row]) -> set[int]:
    return {row.definition_id for row in rows}


def _view(row: _Row, extras: _Extras) -> AttributeView:
    kind = AttributeKind(row.kind)
    if kind in _POINT_SERIES:
        return _series_view(row, kind, extras.summaries.get(row.key) or _flushed_summary(row, kind))
    file = extras.files.get(row.key) if kind is AttributeKind.FILE else None
    is_file = kind in {AttributeKind.FILE, AttributeKind.FILE_SET}
    return AttributeView(
        path=row.path,
        kind=kind,
        value=file.name if file else _value(row, kind, extras),
        definition_id=row.definition_id,
        count=row.count,
        last_step=row.last_step,
        last_ms=row.last_ms,
        unit=row.unit,
        range_minimum=row.range_minimum,
        range_maximum=row.range_maximum,
        file=file,
        size=int(row.number or 0) if is_file else None,
    )


def _flushed_summary(row: _Row, kind: AttributeKind) -> SeriesSummary:
    last = _value(row, kind, _Extras()) if row.count else None
    return SeriesSummary(
        count=row.count,
        finite_count=row.finite_count,
        last=last if isinstance(last, float | str) else None,
        last_step=row.last_step,
        last_ms=row.last_ms,
        minimum=row.minimum,
        maximum=row.maximum,
        total=row.total,
        sum_squares=row.sum_squares,
    )


def _series_view(row: _Row, kind: AttributeKind, summary: SeriesSummary) -> AttributeView:
    is_float = kind is AttributeKind.FLOAT_SERIES
    return AttributeView(
        path=row.path,
        kind=kind,
        value=summary.last,
        definition_id=row.definition_id,
        count=summary.count,
        last_step=summary.last_step,
        last_ms=summary.last_ms,
        minimum=summary.minimum if is_float else None,
        maximum=summary.maximum if is_float else None,
        mean=summary.mean if is_float else None,
        variance=summary.variance if is_float else None,
        unit=row.unit,
        range_minimum=row.range_minimum,
        range_maximum=row.range_maximum,
    )


def _value(row: _Row, kind: AttributeKind, extras: _Extras) -> Value:
    match kind:
        case AttributeKind.STRING_SET:
            return extras.tags.get(row.key, [])
        case AttributeKind.STRING | AttributeKind.STRING_SERIES:
            return row.long_text if row.long_text is not None else row.text
        case AttributeKind.GIT_REF:
            document: dict[str, object] = json.loads(row.long_text) if row.long_text else {}
            return document
        case AttributeKind.FLOAT | AttributeKind.FLOAT_SERIES:
            return float("nan") if row.flags & ValueFlag.NAN else row.number
    if row.number is None:
        return None
    match kind:
        case AttributeKind.INT:
            return int(row.text) if row.text is not None else int(row.number)
        case AttributeKind.BOOL:
            return bool(row.number)
        case AttributeKind.DATETIME:
            return from_milliseconds(row.number)
    return None


def cell_value(kind: AttributeKind, flags: int, number: float | None, text: str | None) -> Value:
    """The value a table shows for an attribute, from the indexed columns alone; long texts are cut."""
    row = _Row(0, 0, "", kind, flags, number, text, None, 0, None, None, None, None, 0.0, 0.0, 0, "", None, None)
    return _value(row, kind, _Extras())


def from_milliseconds(milliseconds: float) -> datetime:
    """An aware UTC time from milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def system_attributes(run: Run) -> list[AttributeView]:
    """The sys/ attributes that follow from the run's columns and are never stored."""
    seconds = run.running_seconds
    is_run = run.kind != ContainerKind.PROJECT
    views = [
        ("sys/modification_time", AttributeKind.DATETIME, run.touched_at),
        ("sys/ping_time", AttributeKind.DATETIME, run.last_ping_at or run.created_at),
        ("sys/state", AttributeKind.RUN_STATE, "running" if run.is_alive and run.finished_at is None else "idle"),
        ("sys/running_time", AttributeKind.FLOAT, seconds),
        ("sys/monitoring_time", AttributeKind.INT, int(seconds)),
        ("sys/size", AttributeKind.FLOAT, float(run.size_bytes)),
    ]
    if is_run:
        views.append(("sys/trashed", AttributeKind.BOOL, run.trashed_at is not None))
    else:
        views.append(("sys/visibility", AttributeKind.STRING, str(run.project.visibility)))
    return [AttributeView(path, kind, value) for path, kind, value in views]


def file_series_bounds(run: Run, definition_id: int) -> list[float]:
    """All steps of a file series, ascending: what a step slider needs."""
    entries = FileSeriesEntry.objects.filter(run=run, definition_id=definition_id)
    return list(entries.order_by("step").values_list("step", flat=True))
