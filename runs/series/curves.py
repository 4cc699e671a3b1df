"""Float series opened for drawing: what is known of their chunks as columns, and the points that no chunk has yet.

Opening takes the same four queries for one series or a hundred, and of each chunk its outline only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from projects.rows import fetch
from runs.models import Attribute, AttributeDefinition, AttributeKind, Chunk, Run
from runs.series import chunks
from runs.series.base import Integers, SeriesKey
from runs.series.points import Points, by_step, joined, no_points
from runs.series.recent import read_recent
from runs.series.rollups import OUTLINE, rough_outline
from runs.series.sql import among
from runs.series.tail import EMPTY, Tail, resolve

_CHUNK, _ATTRIBUTE, _RUN = (model._meta.db_table for model in (Chunk, Attribute, Run))
_DEFINITION = AttributeDefinition._meta.db_table


class Flushed(NamedTuple):
    """What the attribute row says of the points in chunks."""

    point_count: int
    last_step: float | None
    last_ms: int | None


@dataclass(frozen=True, slots=True)
class Since:
    """Asks for the chunks only that end at `step` or later, or that changed after log row `position`."""

    step: float
    position: int


@dataclass(frozen=True, slots=True)
class ChunkTable:
    """Chunks of one series in step order: a row of each column per chunk."""

    ids: Integers
    generations: Integers
    counts: Integers
    outlines: NDArray[Any]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def first_steps(self) -> NDArray[np.float64]:
        return self.outlines["first_step"]

    @property
    def last_steps(self) -> NDArray[np.float64]:
        return self.outlines["last_step"]


@dataclass(slots=True)
class Curve:
    """One series. `loose` are points, in step order, that have to be taken as they are: those beyond the last chunk,
    and the chunks that late points belong to, merged with these; such chunks are not `plain`."""

    key: SeriesKey
    flushed: Flushed
    tail: Tail
    chunks: ChunkTable
    plain: NDArray[np.bool_]
    late: list[tuple[int, Points]] = field(default_factory=list)
    loose: list[Points] = field(default_factory=list)
    overwritten_count: int = 0

    @property
    def position(self) -> int:
        """Rows of the log that come later have a higher id than this."""
        newest = int(self.chunks.generations.max()) if len(self.chunks) else 0
        return max([newest, *map(int, self.tail.log_ids[-1:])])

    @property
    def count(self) -> int:
        return self.flushed.point_count + len(self.tail.points) - self.overwritten_count

    @property
    def end(self) -> tuple[float, int] | None:
        """Step and timestamp of the last point."""
        new = self.tail.points
        last_step, last_ms = self.flushed.last_step, self.flushed.last_ms
        if len(new) and (last_step is None or new.steps[-1] >= last_step):
            return float(new.steps[-1]), int(new.timestamps[-1])
        return None if last_step is None or last_ms is None else (last_step, last_ms)

    @property
    def least_ms(self) -> int | None:
        """The earliest timestamp."""
        least = [int(self.chunks.outlines["least_ms"][self.plain].min())] if self.plain.any() else []
        return min(least + [int(points.timestamps.min()) for points in self.loose if len(points)], default=None)

    def merge(self, stored: Mapping[int, Points]) -> None:
        """Put the late points into their chunks, of which `stored` has the points by id."""
        for place, extra in self.late:
            points = stored.get(int(self.chunks.ids[place]))
            merged = by_step(joined([points, extra])) if points is not None and len(points) else extra
            self.overwritten_count += int(self.chunks.counts[place]) + len(extra) - len(merged)
            self.loose.append(merged)
        self.loose.sort(key=lambda points: float(points.steps[0]))


def open_curves(keys: Collection[SeriesKey], since: Mapping[SeriesKey, Since] | None = None) -> dict[SeriesKey, Curve]:
    """The float series that exist among the keys; to be called in a snapshot."""
    if not keys:
        return {}
    flushed, flush_counts = _read_flushed(keys)
    if not flushed:
        return {}
    logged = read_recent(flush_counts, {key.definition_id for key in flushed})
    tails = {
        key: resolve(logged[key_pair(key)], each.last_step) for key, each in flushed.items() if key_pair(key) in logged
    }
    tables = _read_chunks(flushed, None if since is None else _from_first_late(since, flushed, tails))
    curves = {
        key: _curve(key, each, tails.get(key, EMPTY), tables.get(key, NO_CHUNKS)) for key, each in flushed.items()
    }
    stored = load_points(int(curve.chunks.ids[place]) for curve in curves.values() for place, _ in curve.late)
    for curve in curves.values():
        curve.merge(stored)
    return curves


def key_pair(key: SeriesKey) -> tuple[int, int]:
    return key.run_id, key.definition_id


def _read_flushed(keys: Collection[SeriesKey]) -> tuple[dict[SeriesKey, Flushed], dict[int, int]]:
    """What the attribute rows say, and the flush counts of the runs."""
    of_runs, run_ids = among("a.run_id", {key.run_id for key in keys})
    of_definitions, definition_ids = among("a.definition_id", {key.definition_id for key in keys})
    rows = fetch(
        "SELECT a.run_id, a.definition_id, a.count, a.last_step, a.last_ms, r.flush_count "  # noqa: S608 - own names
        f"FROM {_ATTRIBUTE} a JOIN {_DEFINITION} d ON d.id = a.definition_id JOIN {_RUN} r ON r.id = a.run_id "
        f"WHERE {of_runs} AND {of_definitions} AND d.kind = %s",
        [run_ids, definition_ids, AttributeKind.FLOAT_SERIES.value],
    )
    wanted = set(keys)
    flushed = {SeriesKey(*row[:2]): Flushed(*row[2:5]) for row in rows}
    found = {key: each for key, each in flushed.items() if key in wanted}
    return found, {row[0]: row[5] for row in rows if SeriesKey(*row[:2]) in wanted}


def _from_first_late(
    since: Mapping[SeriesKey, Since], flushed: Mapping[SeriesKey, Flushed], tails: Mapping[SeriesKey, Tail]
) -> dict[SeriesKey, Since]:
    """`since`, and where points came late, all chunks from the first of these on: some may be overwritten."""
    found = {}
    for key in flushed:
        step = min(since[key].step, *tails[key].points.steps[:1].tolist()) if key in tails else since[key].step
        found[key] = Since(step, since[key].position)
    return found


def _read_chunks(keys: Collection[SeriesKey], since: Mapping[SeriesKey, Since] | None) -> dict[SeriesKey, ChunkTable]:
    facts = ("first_step", "last_step", "first_ms", "last_ms")
    only_rough = ", ".join(f"CASE WHEN c.outline IS NULL THEN c.{name} END" for name in facts)
    columns = f"c.run_id, c.definition_id, c.id, c.generation, c.point_count, c.outline, {only_rough}"
    order = "ORDER BY c.run_id, c.definition_id, c.first_step"
    if since is None:
        of_runs, run_ids = among("c.run_id", {key.run_id for key in keys})
        of_definitions, definition_ids = among("c.definition_id", {key.definition_id for key in keys})
        statement = f"SELECT {columns} FROM {_CHUNK} c WHERE {of_runs} AND {of_definitions} {order}"  # noqa: S608
        return dict(_tables(fetch(statement, [run_ids, definition_ids])))
    value = "(CAST(%s AS bigint), CAST(%s AS bigint), CAST(%s AS double precision), CAST(%s AS bigint))"
    rows = fetch(
        f"WITH wanted (run_id, definition_id, step, position) AS (VALUES {', '.join([value] * len(since))}) "  # noqa: S608
        f"SELECT {columns} FROM wanted CROSS JOIN {_CHUNK} c "
        "WHERE c.run_id = wanted.run_id AND c.definition_id = wanted.definition_id "
        f"AND (c.last_step >= wanted.step OR c.generation > wanted.position) {order}",
        [part for key, each in since.items() for part in (*key_pair(key), each.step, each.position)],
    )
    return dict(_tables(rows))


def _tables(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[SeriesKey, ChunkTable]]:
    if not rows:
        return
    run_ids, definition_ids, ids, generations, counts, outlines, *rough = zip(*rows, strict=True)
    known = [each or rough_outline(*facts) for each, *facts in zip(outlines, *rough, strict=True)]
    runs, definitions = np.array(run_ids, np.int64), np.array(definition_ids, np.int64)
    table = ChunkTable(
        np.array(ids, np.int64),
        np.array(generations, np.int64),
        np.array(counts, np.int64),
        np.frombuffer(b"".join(known), OUTLINE),
    )
    is_new = (np.diff(runs) != 0) | (np.diff(definitions) != 0)
    for first, end in pairwise([0, *(np.flatnonzero(is_new) + 1).tolist(), len(rows)]):
        part = slice(first, end)
        yield (
            SeriesKey(run_ids[first], definition_ids[first]),
            ChunkTable(table.ids[part], table.generations[part], table.counts[part], table.outlines[part]),
        )


_NOTHING = np.empty(0, np.int64)
NO_CHUNKS = ChunkTable(_NOTHING, _NOTHING, _NOTHING, np.empty(0, OUTLINE))


def _curve(key: SeriesKey, flushed: Flushed, tail: Tail, table: ChunkTable) -> Curve:
    plain = np.ones(len(table), bool)
    curve = Curve(key, flushed, tail, table, plain)
    new = tail.points
    late_count = int(np.searchsorted(new.steps, table.last_steps[-1], side="right")) if len(table) else 0
    if late_count:
        # A late point belongs to the chunk that begins at or before it, or to the first one.
        places = np.maximum(np.searchsorted(table.first_steps, new.steps[:late_count], side="right") - 1, 0)
        bounds = [0, *(np.flatnonzero(np.diff(places)) + 1).tolist(), late_count]
        curve.late = [(int(places[first]), new[first:end]) for first, end in pairwise(bounds)]
        plain[places] = False
    if late_count < len(new):
        curve.loose.append(new[late_count:])
    return curve


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a series: a chunk to be loaded, or points that lie in none."""

    first_step: float
    last_step: float
    count: int
    chunk_id: int = 0
    points: Points | None = None

    def of(self, stored: Mapping[int, Points]) -> Points:
        """The points, given those of chunks by id. What could not be read is not there."""
        return self.points if self.points is not None else stored.get(self.chunk_id, no_points())


def parts_of(curve: Curve, after: float) -> list[Part]:
    """What the series has after a step, in order. The first part may begin before it."""
    table = curve.chunks
    columns = (table.first_steps, table.last_steps, table.counts, table.ids)
    rows = zip(*(column[curve.plain].tolist() for column in columns), strict=True)
    stored = [Part(*row) for row in rows]
    loose = [Part(float(each.steps[0]), float(each.steps[-1]), len(each), points=each) for each in curve.loose]
    return sorted((part for part in [*stored, *loose] if part.last_step > after), key=lambda part: part.first_step)


class _Stored(NamedTuple):
    """A chunk as chunks.decode needs it."""

    id: int
    run_id: int
    codec: int
    checksum: int
    point_count: int


def load_points(ids: Iterable[int]) -> dict[int, Points]:
    """The points of chunks by id. One query."""
    wanted = list(ids)
    if not wanted:
        return {}
    condition, parameter = among("id", wanted)
    statement = f"SELECT id, run_id, codec, checksum, point_count, data FROM {_CHUNK} WHERE {condition}"  # noqa: S608
    return {row[0]: chunks.decode(_Stored(*row[:5]), row[5]) for row in fetch(statement, [parameter])}


def load_rollups(ids: Collection[int], block: int) -> dict[int, bytes | None]:
    """The rollups of chunks by chunk id. One query."""
    if not ids:
        return {}
    condition, parameter = among("id", ids)
    return dict(fetch(f"SELECT id, rollup_{block} FROM {_CHUNK} WHERE {condition}", [parameter]))  # noqa: S608
