"""Reading series by run and path: charts, pages of values, and what came since."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from projects.exceptions import InvalidInput, NotFound
from projects.models import Project
from projects.rows import fetch
from runs.models import Attribute, AttributeDefinition, AttributeKind, Run
from runs.series import store
from runs.series.base import Axis, FloatColumns, SeriesKey, SeriesSlice, StringColumns, StringPage
from runs.series.sql import among, among_texts

_ATTRIBUTE, _DEFINITION = Attribute._meta.db_table, AttributeDefinition._meta.db_table


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One float series of one run, drawn from `points`."""

    run: Run
    path: str
    points: SeriesSlice


def runs_of_project(project: Project, wanted: Sequence[uuids.UUID]) -> dict[uuids.UUID, Run]:
    """Those of the runs that are in the project, the trash included."""
    return {run.uuid: run for run in Run.objects.filter(project=project, uuid__in=wanted)}


def float_series(run: Run) -> list[tuple[str, str, float | None, float | None]]:
    """Path, unit and configured range of every float series of the run, by path; one query, whatever their number."""
    rows = Attribute.objects.filter(run=run, definition__kind=AttributeKind.FLOAT_SERIES).order_by("definition__path")
    return list(rows.values_list("definition__path", "unit", "range_minimum", "range_maximum"))


def read_chart(
    runs: Sequence[Run],
    paths: Sequence[str],
    *,
    max_points: int,
    first: float | None = None,
    last: float | None = None,
    axis: Axis = Axis.STEP,
) -> list[ChartLine]:
    """The float series at these paths in these runs, each with at most `max_points` points of the range, in the
    order of paths and then runs. A run that has no float series at a path is left out there.

    The number of queries does not depend on the number of series.
    """
    if not runs:
        return []
    keys = _float_keys(runs, paths)
    wanted = [(run, path) for path in dict.fromkeys(paths) for run in runs if (run.pk, path) in keys]
    slices = store.read(
        [keys[run.pk, path] for run, path in wanted],
        max_points=max_points,
        first=first,
        last=last,
        axis=axis,
        starts={run.pk: int(run.created_at.timestamp() * 1000) for run in runs},
    )
    return [ChartLine(run, path, points) for (run, path), points in zip(wanted, slices, strict=True)]


def read_added(wanted: Sequence[tuple[Run, str, str]], *, max_points: int) -> list[SeriesSlice | None]:
    """For each (run, path, cursor) the points of the float series that came after the cursor was given out, or None:
    read the series again. The number of queries does not depend on the number of series."""
    if not wanted:
        return []
    keys = _float_keys(list({run.pk: run for run, _, _ in wanted}.values()), [path for _, path, _ in wanted])
    known = [(keys[run.pk, path], cursor) for run, path, cursor in wanted if (run.pk, path) in keys]
    added = iter(store.read_since(known, max_points=max_points))
    return [next(added) if (run.pk, path) in keys else None for run, path, _ in wanted]


def float_page(run: Run, path: str, *, offset: int, limit: int) -> SeriesSlice:
    """Points number `offset` and following of a float series, exact and by step."""
    return store.read_page(_key(run, path, AttributeKind.FLOAT_SERIES), offset=offset, limit=limit)


def string_page(run: Run, path: str, *, offset: int, limit: int) -> StringPage:
    """Lines number `offset` and following of a string series. A negative offset counts from the end."""
    return store.read_strings(_key(run, path, AttributeKind.STRING_SERIES), offset=offset, limit=limit)


@dataclass(frozen=True, slots=True)
class Export:
    """All points of series of one kind, in pieces of (path, columns). The pieces are read as they are taken."""

    is_text: bool
    pieces: Iterator[Sequence[tuple[str, FloatColumns | StringColumns]]]


def export_series(run: Run, paths: Sequence[str]) -> Export:
    """All points of the series at these paths, in their order, or of all float series of the run, by path.

    Raises NotFound for a path that is no series of floats or strings, and InvalidInput if both kinds are among them.
    """
    rows = Attribute.objects.filter(run=run, definition__kind__in=_EXPORTED_KINDS)
    rows = rows.filter(definition__path__in=paths) if paths else rows.filter(definition__kind=_EXPORTED_KINDS[0])
    found = {
        path: (kind, SeriesKey(run.pk, definition_id))
        for path, kind, definition_id in rows.order_by("definition__path").values_list(
            "definition__path", "definition__kind", "definition_id"
        )
    }
    wanted = list(dict.fromkeys(paths)) or list(found)
    for path in wanted:
        if path not in found:
            raise NotFound(f"The run has no series at {path}.")
    kinds = {found[path][0] for path in wanted}
    if len(kinds) > 1:
        raise InvalidInput("Series of floats and of strings need a file each; ask for them separately.", field="path")
    names = {found[path][1]: path for path in wanted}
    is_text = AttributeKind.STRING_SERIES in kinds
    return Export(is_text, _strings(names) if is_text else _floats(names))


_EXPORTED_KINDS = (AttributeKind.FLOAT_SERIES, AttributeKind.STRING_SERIES)


def _floats(names: dict[SeriesKey, str]) -> Iterator[list[tuple[str, FloatColumns | StringColumns]]]:
    for piece in store.scan(list(names)):
        yield [(names[key], columns) for key, columns in piece]


def _strings(names: dict[SeriesKey, str]) -> Iterator[list[tuple[str, FloatColumns | StringColumns]]]:
    for key, path in names.items():
        for columns in store.scan_strings(key):
            yield [(path, columns)]


def _float_keys(runs: Sequence[Run], paths: Sequence[str]) -> dict[tuple[int, str], SeriesKey]:
    of_runs, run_ids = among("a.run_id", [run.pk for run in runs])
    of_paths, texts = among_texts("d.path", paths)
    # From the project's definitions to the runs' attributes: a run may have 20,000 of them.
    of_projects, project_ids = among("d.project_id", {run.project_id for run in runs})
    rows = fetch(
        f"SELECT a.run_id, d.path, d.id FROM {_DEFINITION} d JOIN {_ATTRIBUTE} a ON a.definition_id = d.id "  # noqa: S608
        f"WHERE {of_projects} AND {of_paths} AND d.kind = %s AND {of_runs}",
        [project_ids, texts, AttributeKind.FLOAT_SERIES.value, run_ids],
    )
    return {(run_id, path): SeriesKey(run_id, definition_id) for run_id, path, definition_id in rows}


def _key(run: Run, path: str, kind: AttributeKind) -> SeriesKey:
    """The series at a path; raises NotFound if the run has none of this kind there."""
    row = Attribute.objects.filter(run=run, definition__path=path, definition__kind=kind)
    definition_id = row.values_list("definition_id", flat=True).first()
    if definition_id is None:
        raise NotFound(f"The run has no series of this kind at {path}.")
    return SeriesKey(run.pk, definition_id)
