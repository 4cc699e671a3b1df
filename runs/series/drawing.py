"""Drawing series: which chunks their outlines are enough of, for which a rollup is read, and which are decoded.

A chart has intervals of equal width. A block of points (a chunk, 512 points, 64 points, one point) may stand for its
points where it is no wider than an interval; its extremes then count for the interval in which the block begins. So
every interval's extremes are exact, with edges that are those of blocks, less than one interval away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runs.series.base import Axis, Floats, Integers
from runs.series.curves import Curve, load_points, load_rollups
from runs.series.downsample import downsample, interval_count
from runs.series.points import Points, joined, no_points
from runs.series.rollups import ALL_COLUMNS, COARSE, COLUMNS, FINE

POINTS_AT_ONCE = 2_000_000
_EXACT_UP_TO = 4  # times the points of the chart: fewer are decoded all


class Level(IntEnum):
    """What is read of a chunk; what proves too rough is read at the next level."""

    SKIP = 0
    OUTLINE = 1
    COARSE = 2
    FINE = 3
    DATA = 4


@dataclass(frozen=True, slots=True)
class Window:
    """The range asked for; both ends belong to it. On the axis of relative time positions count from `origin`."""

    first: float
    last: float
    axis: Axis
    origin: int = 0

    def positions(self, points: Points) -> Floats:
        """Where the points are on the axis; of relative time, where they are in absolute time."""
        return points.steps if self.axis is Axis.STEP else points.timestamps.astype(np.float64)

    def spans(self, curve: Curve) -> tuple[Floats, Floats]:
        """Where each chunk begins and ends."""
        outlines = curve.chunks.outlines
        if self.axis is Axis.STEP:
            return outlines["first_step"], outlines["last_step"]
        return outlines["least_ms"].astype(np.float64), outlines["most_ms"].astype(np.float64)

    def inside(self, points: Points) -> Points:
        if self.first == -np.inf and self.last == np.inf:
            return points
        positions: Floats | Integers = points.steps if self.axis is Axis.STEP else points.timestamps
        return points[(positions >= self.first) & (positions <= self.last)]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Points that stand for blocks of points, in step order, and where on the axis the block of each begins."""

    points: Points
    begins: Floats


class Chart:
    """One series on its way to a chart."""

    def __init__(self, curve: Curve, window: Window, max_points: int) -> None:
        self.curve = curve
        self.window = window
        self.max_points = max_points
        self.loose = [points for each in curve.loose if len(points := window.inside(each))]
        self.starts, self.ends = window.spans(curve)
        self.levels = np.full(len(curve.chunks), Level.SKIP)
        self.width = 0.0
        self.parts: list[Blocks] = []
        self.total = sum(map(len, self.loose))
        self._plan()

    def _plan(self) -> None:
        window, counts = self.window, self.curve.chunks.counts
        inside = self.curve.plain & (self.ends >= window.first) & (self.starts <= window.last)
        self.levels[inside] = Level.DATA
        if int(counts[inside].sum()) + self.total <= _EXACT_UP_TO * self.max_points:
            return
        self.width = self._span(inside) / max(interval_count(self.max_points), 1)
        spans = self.ends - self.starts
        is_known = ~np.isnan(self.curve.chunks.outlines["low_step"])
        for name in ("nan", "inf", "minus"):
            is_known |= ~np.isnan(self.curve.chunks.outlines[f"{name}_step"])
        whole = inside & is_known & (self.starts >= window.first) & (self.ends <= window.last)
        per_point = spans / counts
        self.levels[whole & (per_point * FINE <= self.width)] = Level.FINE
        self.levels[whole & (per_point * COARSE <= self.width)] = Level.COARSE
        self.levels[whole & (spans <= self.width)] = Level.OUTLINE

    def _span(self, inside: NDArray[np.bool_]) -> float:
        """The length of what is to be drawn."""
        positions = [self.window.positions(points) for points in self.loose]
        low = min([*self.starts[inside], *(each.min() for each in positions)])
        high = max([*self.ends[inside], *(each.max() for each in positions)])
        return float(min(high, self.window.last) - max(low, self.window.first))

    def at(self, level: Level) -> Integers:
        """The places of the chunks of this level."""
        return np.flatnonzero(self.levels == level)

    def ids(self, level: Level) -> list[int]:
        return self.curve.chunks.ids[self.levels == level].tolist()  # type: ignore[no-any-return]

    def take_outlines(self) -> None:
        places = self.at(Level.OUTLINE)
        if len(places):
            outlines = self.curve.chunks.outlines[places]
            self.total += int(self.curve.chunks.counts[places].sum())
            others = ("nan", "inf", "minus")
            self.parts.append(
                _blocks(
                    self.starts[places],
                    [[outlines[f"{name}_{column}"] for column in ("step", "ms", "value")] for name in ("low", "high")],
                    [[outlines[f"{name}_{column}"] for column in ("step", "ms")] for name in others],
                )
            )
        self._take_ends()

    def _take_ends(self) -> None:
        """The first and the last point of the window, where no chunk is decoded for them."""
        chosen = np.flatnonzero(self.levels != Level.SKIP)
        for place, end in ((chosen[:1], "first"), (chosen[-1:], "last")):
            if len(place) and self.levels[place[0]] != Level.DATA:
                outline = self.curve.chunks.outlines[place]
                point = Points(*(outline[f"{end}_{column}"] for column in ("step", "ms", "value")))
                self.parts.append(Blocks(point, self.window.positions(point)))

    def take_rollups(self, level: Level, rollups: Mapping[int, bytes | None]) -> None:
        """Take the rollups of the chunks of this level, unless one of their blocks is too wide: these go on to the
        next level."""
        places = self.at(level)
        block = COARSE if level == Level.COARSE else FINE
        data = [rollups.get(pk) for pk in self.curve.chunks.ids[places].tolist()]
        present = np.array([bool(each) for each in data], bool)
        self.levels[places[~present]] = Level.DATA
        places = places[present]
        if not len(places):
            return
        counts = self.curve.chunks.counts[places]
        columns, chunk_of_block = _columns([each for each in data if each], -(-counts // block))
        begins = columns[0] if self.window.axis is Axis.STEP else columns.view(np.int64)[1].astype(np.float64)
        too_wide = np.zeros(len(places), bool)
        too_wide[chunk_of_block[self._too_wide(begins, chunk_of_block, self.ends[places])]] = True
        self.levels[places[too_wide]] = level + 1
        keep = ~too_wide[chunk_of_block]
        if keep.any():
            self.total += int(counts[~too_wide].sum())
            columns = columns[:, keep]
            times = columns.view(np.int64)
            extremes = [[columns[place], times[place + 1], columns[place + 2]] for place in (2, 5)]
            others = [[columns[place], times[place + 1]] for place in range(COLUMNS, len(columns), 2)]
            self.parts.append(_blocks(begins[keep], extremes, others))

    def _too_wide(self, begins: Floats, chunk_of_block: Integers, ends: Floats) -> NDArray[np.bool_]:
        """Which blocks are wider than an interval, or go back on the axis."""
        is_last = np.append(chunk_of_block[1:] != chunk_of_block[:-1], True)
        until = np.append(begins[1:], 0.0)
        until[is_last] = ends[chunk_of_block[is_last]]
        return (until - begins > self.width) | (until < begins)

    def take_points(self, stored: Mapping[int, Points]) -> None:
        """Take the points of the chunks that are decoded, and those that lie in none."""
        decoded = [self.window.inside(stored[pk]) for pk in self.ids(Level.DATA) if pk in stored]
        self.total += sum(map(len, decoded))
        points = [each for each in (*decoded, *self.loose) if len(each)]
        if points:
            every = joined(points)
            self.parts.append(Blocks(every, self.window.positions(every)))

    def draw(self) -> Points:
        if not self.parts:
            return no_points()
        points = joined([part.points for part in self.parts])
        begins = np.concatenate([part.begins for part in self.parts])
        if not bool(np.all(points.steps[1:] > points.steps[:-1])):
            _, places = np.unique(points.steps, return_index=True)  # some points are extremes of several kinds
            points, begins = points[places], begins[places]
        return downsample(points, self.max_points, self.window.axis, begins)


def draw(charts: Sequence[Chart]) -> Iterator[tuple[Chart, Points]]:
    """The points of each chart. A query for each kind of rollup, and one for the chunks to be decoded."""
    for chart in charts:
        chart.take_outlines()
    for level, block in ((Level.COARSE, COARSE), (Level.FINE, FINE)):
        _take(charts, level, block)
    for group in _groups(charts):
        stored = load_points(pk for chart in group for pk in chart.ids(Level.DATA))
        for chart in group:
            chart.take_points(stored)
            yield chart, chart.draw()


def _take(charts: Sequence[Chart], level: Level, block: int) -> None:
    rollups = load_rollups([pk for chart in charts for pk in chart.ids(level)], block)
    for chart in charts:
        chart.take_rollups(level, rollups)


def _groups(charts: Sequence[Chart]) -> Iterator[list[Chart]]:
    """The charts in groups whose decoded points fit into memory."""
    group: list[Chart] = []
    count = 0
    for chart in charts:
        size = int(chart.curve.chunks.counts[chart.at(Level.DATA)].sum())
        if group and count + size > POINTS_AT_ONCE:
            yield group
            group, count = [], 0
        group.append(chart)
        count += size
    if group:
        yield group


def _columns(rollups: Sequence[bytes], lengths: Integers) -> tuple[Floats, Integers]:
    """The columns of several rollups one after the other, and the number of the rollup of each block."""
    first = rollups[0]
    if all(len(each) == len(first) for each in rollups) and bool(np.all(lengths == lengths[0])):
        together = np.frombuffer(b"".join(rollups), "<f8").reshape(len(rollups), -1, int(lengths[0]))
        columns = together.transpose(1, 0, 2).reshape(together.shape[1], -1)
    else:
        columns = np.concatenate(
            [_padded(each, length) for each, length in zip(rollups, lengths.tolist(), strict=True)], axis=1
        )
    return columns, np.repeat(np.arange(len(rollups)), lengths)


def _padded(data: bytes, length: int) -> Floats:
    """The columns of one rollup; those it lacks are NaN."""
    columns = np.frombuffer(data, "<f8").reshape(-1, length)
    if len(columns) == ALL_COLUMNS:
        return columns
    return np.concatenate([columns, np.full((ALL_COLUMNS - len(columns), length), np.nan)])


def _blocks(
    begins: Floats, extremes: Sequence[Sequence[NDArray[Any]]], others: Sequence[Sequence[NDArray[Any]]]
) -> Blocks:
    """What stands for these blocks: their lowest and highest points, and their first NaN and infinities."""
    (low, high) = extremes
    is_up = low[0] <= high[0]
    both = [
        np.stack([np.where(is_up, a, b), np.where(is_up, b, a)], axis=1).ravel() for a, b in zip(low, high, strict=True)
    ]
    steps, times, values = both
    places = np.repeat(begins, 2)
    keep = ~np.isnan(steps)
    keep[1::2] &= steps[1::2] != steps[::2]
    if not keep.all():
        steps, times, values, places = steps[keep], times[keep], values[keep], places[keep]
    parts = [Blocks(Points(steps, times, values), places)]
    for (found, moments), value in zip(others, (np.nan, np.inf, -np.inf), strict=False):
        there = ~np.isnan(found)
        if there.any():
            special = Points(found[there], moments[there], np.full(int(there.sum()), value))
            parts.append(Blocks(special, begins[there]))
    if len(parts) == 1:
        return parts[0]
    return Blocks(joined([part.points for part in parts]), np.concatenate([part.begins for part in parts]))
