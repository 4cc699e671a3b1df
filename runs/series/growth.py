"""The usual flush: float series that only grow at their ends. All series of a slice of the log are worked on at once,
in columns; taking each one apart costs five times as much, which is felt in runs with thousands of series.

A series is left to the general way (runs/series/flush.py) if points came late or twice for a step, or if a chunk that
it would be joined with is damaged.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runs.models import Attribute
from runs.models.attribute import ValueFlag
from runs.series import bulk
from runs.series.base import Floats, Integers
from runs.series.changes import Changes, FloatSummaries
from runs.series.chunks import CHUNK_POINTS, OPEN, Codec
from runs.series.layout import ChunkFacts, Segment, open_chunks, read_data
from runs.series.numbering import number_steps
from runs.series.points import Points
from runs.series.rewrite import Rewrite, joined_count
from runs.series.tail import LogColumns

_ATTRIBUTE_COLUMNS = ("definition_id", "id", *bulk.SUMMARY_COLUMNS)
_EXACT = 2.0**52
_HIGHEST = sys.float_info.max
_NOTHING = (None,) * (len(bulk.FACT_COLUMNS) + 3)  # an open chunk has neither facts nor outline nor rollups


@dataclass(slots=True)
class _Attributes:
    """The attribute rows of series, in columns; NaN stands for what is missing."""

    ids: Integers
    columns: dict[str, NDArray[Any]]

    def __getitem__(self, index: Any) -> _Attributes:
        return _Attributes(self.ids[index], {name: column[index] for name, column in self.columns.items()})


@dataclass(slots=True)
class _Grown:
    """Series with points that all come after those stored, one step each; as LogColumns, but numbered."""

    definition_ids: Integers
    bounds: Integers
    points: Points
    attributes: _Attributes

    @property
    def counts(self) -> Integers:
        return np.diff(self.bounds)


def grow(run_id: int, logged: LogColumns) -> tuple[Changes, list[int]]:
    """What adding the logged points to their series changes, and the ids of the series that this can't be used for.
    Series without an attribute row were deleted: theirs are dropped."""
    attributes, is_known = _attributes(run_id, logged.definition_ids)
    steps = _numbered(logged, is_known, attributes)
    is_grown = is_known & _is_in_order(steps, logged.bounds, attributes.columns["last_step"])
    others = set(logged.definition_ids[is_known & ~is_grown].tolist())
    if not is_grown.any():
        return Changes(), sorted(others)
    grown = _chosen(logged, steps, attributes, is_grown)
    changes, damaged = _extend(run_id, grown)
    if damaged:
        others |= damaged
        keep = ~np.isin(grown.definition_ids, list(damaged))
        changes.float_summaries = [_summarised(grown, keep)]
    else:
        changes.float_summaries = [_summarised(grown)]
    return changes, sorted(others)


def _attributes(run_id: int, definition_ids: Integers) -> tuple[_Attributes, NDArray[np.bool_]]:
    """The attribute rows of the series in their order, and which have one (the others' figures mean nothing)."""
    rows = bulk.select(Attribute._meta.db_table, _ATTRIBUTE_COLUMNS, run_id, definition_ids.tolist())
    rows.sort()
    found = list(zip(*rows, strict=True)) if rows else [()] * len(_ATTRIBUTE_COLUMNS)
    places = np.searchsorted(np.array(found[0], np.int64), definition_ids)
    is_known = np.zeros(len(definition_ids), bool)
    if rows:
        places = np.minimum(places, len(rows) - 1)
        is_known = np.array(found[0], np.int64)[places] == definition_ids
    columns = {
        name: np.array([0 if value is None else value for value in column], np.int64)
        if kind is np.int64
        else np.array(column, np.float64)
        for (name, kind), column in zip(bulk.SUMMARY_COLUMNS.items(), found[2:], strict=True)
    }
    if not rows:
        empty: dict[str, NDArray[Any]] = {
            name: np.zeros(len(definition_ids), kind) for name, kind in bulk.SUMMARY_COLUMNS.items()
        }
        return _Attributes(np.zeros(len(definition_ids), np.int64), empty), is_known
    return _Attributes(np.array(found[1], np.int64), columns)[places], is_known


def _numbered(logged: LogColumns, is_known: NDArray[np.bool_], attributes: _Attributes) -> Floats:
    """The steps, those missing filled in as runs/series/numbering.py does for one series."""
    steps = logged.points.steps
    missing = np.isnan(steps)
    if not missing.any():
        return steps
    steps = steps.copy()
    starts, counts = logged.bounds[:-1], np.diff(logged.bounds)
    missing_counts = np.add.reduceat(missing, starts, dtype=np.int64)
    last_steps = attributes.columns["last_step"]
    begins = np.where(np.isnan(last_steps), -1.0, last_steps)
    is_simple = (missing_counts == counts) & (begins == np.floor(begins)) & (np.abs(begins) < _EXACT / 2)
    if is_simple.any():
        positions = np.arange(len(steps)) - np.repeat(starts, counts) + 1
        given = np.repeat(is_simple, counts)
        steps[given] = (np.repeat(begins, counts) + positions)[given]
    for number in np.flatnonzero((missing_counts > 0) & ~is_simple & is_known).tolist():
        start, end = logged.bounds[number], logged.bounds[number + 1]
        last = last_steps[number]
        steps[start:end] = number_steps(steps[start:end], None if np.isnan(last) else float(last))
    return steps


def _is_in_order(steps: Floats, bounds: Integers, last_steps: Floats) -> NDArray[np.bool_]:
    """Which series have steps that rise from their last one on."""
    before = np.empty(len(steps))
    before[1:] = steps[:-1]
    before[bounds[:-1]] = np.where(np.isnan(last_steps), -np.inf, last_steps)
    return np.logical_and.reduceat(steps > before, bounds[:-1])


def _chosen(logged: LogColumns, steps: Floats, attributes: _Attributes, keep: NDArray[np.bool_]) -> _Grown:
    points = Points(steps, logged.points.timestamps, logged.points.values)
    if keep.all():
        return _Grown(logged.definition_ids, logged.bounds, points, attributes)
    counts = np.diff(logged.bounds)
    bounds = np.concatenate([[0], np.cumsum(counts[keep])])
    return _Grown(logged.definition_ids[keep], bounds, points[np.repeat(keep, counts)], attributes[keep])


def _summarised(grown: _Grown, keep: NDArray[np.bool_] | slice = slice(None)) -> FloatSummaries:
    """The summaries with the new points added."""
    values, starts, old = grown.points.values, grown.bounds[:-1], grown.attributes.columns
    is_finite = np.isfinite(values)
    finite_counts = np.add.reduceat(is_finite, starts, dtype=np.int64)
    if is_finite.all():
        lowest, highest, finite = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts), values
    else:
        lowest = np.minimum.reduceat(np.where(is_finite, values, np.inf), starts)
        highest = np.maximum.reduceat(np.where(is_finite, values, -np.inf), starts)
        lowest, highest = (np.where(finite_counts > 0, each, np.nan) for each in (lowest, highest))
        finite = np.where(is_finite, values, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        totals, squares = np.add.reduceat(finite, starts), np.add.reduceat(finite * finite, starts)
        totals, squares = _bounded(totals), _bounded(squares)
        last = values[grown.bounds[1:] - 1]
        is_nan = np.isnan(last)
        columns: dict[str, NDArray[Any]] = {
            "flags": np.where(is_nan, old["flags"] | ValueFlag.NAN, old["flags"] & ~ValueFlag.NAN),
            "number": last,
            "count": old["count"] + grown.counts,
            "last_step": grown.points.steps[grown.bounds[1:] - 1],
            "last_ms": grown.points.timestamps[grown.bounds[1:] - 1],
            "minimum": np.fmin(old["minimum"], lowest),
            "maximum": np.fmax(old["maximum"], highest),
            "total": _bounded(old["total"] + totals),
            "sum_squares": _bounded(old["sum_squares"] + squares),
            "finite_count": old["finite_count"] + finite_counts,
        }
    return FloatSummaries(grown.attributes.ids[keep], {name: column[keep] for name, column in columns.items()})


def _bounded(totals: Floats) -> Floats:
    """See Statistics: databases do not all take infinities and NaN."""
    return np.clip(np.nan_to_num(totals, nan=0.0), -_HIGHEST, _HIGHEST)


@dataclass(slots=True)
class _Extension:
    """The new points `start` to `end - 1` of a series, and the open chunks that they are joined with."""

    definition_id: int
    number: int
    start: int
    end: int
    joined: list[ChunkFacts]


def _extend(run_id: int, grown: _Grown) -> tuple[Changes, set[int]]:
    """The chunks to be, and the series of which a chunk is damaged."""
    opened = open_chunks(run_id, grown.definition_ids.tolist())
    bounds = grown.bounds.tolist()
    filled: list[tuple[_Extension, Rewrite]] = []
    extended: list[_Extension] = []
    for number, definition_id in enumerate(grown.definition_ids.tolist()):
        start, end = bounds[number], bounds[number + 1]
        facts = opened.get(definition_id, ())
        count = joined_count(end - start, [chunk.point_count for chunk in reversed(facts)]) if facts else 0
        extension = _Extension(definition_id, number, start, end, list(facts[len(facts) - count :]))
        if end - start + sum(chunk.point_count for chunk in extension.joined) >= CHUNK_POINTS:
            segments = [*map(Segment, extension.joined), Segment(None, grown.points[start:end])]
            filled.append((extension, Rewrite(segments)))
        else:
            extended.append(extension)
    joined = [chunk for each in (*extended, *(each for each, _ in filled)) for chunk in each.joined]
    data = read_data([chunk.id for chunk in joined])
    damaged = {chunk.definition_id for chunk in joined if not _is_usable(chunk, data)}
    changes = Changes()
    _append_rows(changes, grown, [each for each in extended if each.definition_id not in damaged], data)
    for extension, rewrite in filled:
        if extension.definition_id not in damaged:
            changes.removed += [chunk.id for chunk in extension.joined]
            for piece in rewrite.pieces(data, 0):
                changes.add_chunk(extension.definition_id, piece.points, level=piece.level, generation=piece.generation)
    return changes, damaged


def _is_usable(chunk: ChunkFacts, data: Mapping[int, bytes]) -> bool:
    return chunk.codec == Codec.RAW and chunk.id in data and zlib.crc32(data[chunk.id]) == chunk.checksum


def _append_rows(changes: Changes, grown: _Grown, extensions: Sequence[_Extension], data: Mapping[int, bytes]) -> None:
    """A chunk of the points stored in open chunks and the new ones for each series. Both are put together as bytes."""
    steps, times, values = (
        memoryview(column.astype(kind, copy=False).tobytes())
        for column, kind in (
            (grown.points.steps, "<f8"),
            (grown.points.timestamps, "<i8"),
            (grown.points.values, "<f8"),
        )
    )
    starts = grown.bounds[:-1]
    first_times = np.minimum.reduceat(grown.points.timestamps, starts).tolist()
    last_times = np.maximum.reduceat(grown.points.timestamps, starts).tolist()
    first_steps = grown.points.steps[starts].tolist()
    last_steps = grown.points.steps[grown.bounds[1:] - 1].tolist()
    for each in extensions:
        number, start, end = each.number, 8 * each.start, 8 * each.end
        count, first_step, generation = each.end - each.start, first_steps[number], 0
        first_ms, last_ms = first_times[number], last_times[number]
        parts: list[tuple[memoryview, memoryview, memoryview]] = []
        for chunk in each.joined:
            stored, third = memoryview(data[chunk.id]), 8 * chunk.point_count
            parts.append((stored[:third], stored[third : 2 * third], stored[2 * third :]))
            count += chunk.point_count
            first_ms, last_ms = min(first_ms, chunk.first_ms), max(last_ms, chunk.last_ms)
            generation = max(generation, chunk.generation)
            changes.removed.append(chunk.id)
        if each.joined:
            first_step = each.joined[0].first_step
        parts.append((steps[start:end], times[start:end], values[start:end]))
        raw = b"".join([column for columns in zip(*parts, strict=True) for column in columns])
        row = (each.definition_id, first_step, generation, last_steps[number], first_ms, last_ms, count, OPEN)
        changes.chunks.append((*row, int(Codec.RAW), zlib.crc32(raw), *_NOTHING, raw))
