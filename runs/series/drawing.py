"""Drawing one series: which chunks are decoded for a chart, and for which their rollups do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from runs.series.base import Axis, Floats, Integers
from runs.series.downsample import downsample
from runs.series.layout import ChunkFacts, Segment
from runs.series.opened import OpenSeries
from runs.series.points import Points, joined, no_points
from runs.series.rollups import COARSE, FINE, read_rollup


@dataclass(frozen=True, slots=True)
class Window:
    """The range asked for; both ends belong to it."""

    first: float
    last: float
    axis: Axis

    def meets(self, segment: Segment) -> bool:
        """Whether the segment may have points inside."""
        chunk = segment.chunk
        if chunk is None or not segment.is_plain:
            return True
        if self.axis is Axis.STEP:
            return chunk.last_step >= self.first and chunk.first_step <= self.last
        return chunk.last_ms >= self.first and chunk.first_ms <= self.last

    def covers(self, chunk: ChunkFacts) -> bool:
        """Whether the whole chunk is inside."""
        if self.axis is Axis.STEP:
            return chunk.first_step >= self.first and chunk.last_step <= self.last
        return chunk.first_ms >= self.first and chunk.last_ms <= self.last

    def inside(self, points: Points) -> Points:
        if self.first == -np.inf and self.last == np.inf:
            return points
        positions: Floats | Integers = points.steps if self.axis is Axis.STEP else points.timestamps
        return points[(positions >= self.first) & (positions <= self.last)]


class Chart:
    """A drawing of one series. A rollup does where its blocks are at most half as wide as one interval of the chart;
    the first and the last segment are always decoded, since their first and last points are kept."""

    def __init__(self, series: OpenSeries, window: Window, max_points: int) -> None:
        self.series = series
        self.window = window
        self.max_points = max_points
        self.segments = [segment for segment in series.segments if window.meets(segment)]
        self.blocks = self._choose_blocks()

    @property
    def decoded(self) -> list[Segment]:
        return [segment for segment in self.segments if _id(segment) not in self.blocks]

    def ids(self, block: int) -> list[int]:
        """The chunks whose rollup of this block size is used."""
        return [pk for pk, chosen in self.blocks.items() if chosen == block]

    def _choose_blocks(self) -> dict[int, int]:
        """The block size by chunk id, for chunks that need not be decoded."""
        inner = [segment.chunk for segment in self.segments[1:-1] if segment.chunk and segment.is_plain]
        if sum(chunk.point_count for chunk in inner) <= max(4 * self.max_points, 1):
            return {}
        ends = [self._span(segment.chunk) for segment in self.segments if segment.chunk]
        low, high = min(first for first, _ in ends), max(last for _, last in ends)
        width = (min(high, self.window.last) - max(low, self.window.first)) / max(self.max_points, 1)
        chosen = {chunk.id: self._block(chunk, width) for chunk in inner if self.window.covers(chunk)}
        return {pk: block for pk, block in chosen.items() if block}

    def _span(self, chunk: ChunkFacts) -> tuple[float, float]:
        if self.window.axis is Axis.STEP:
            return chunk.first_step, chunk.last_step
        return chunk.first_ms, chunk.last_ms

    def _block(self, chunk: ChunkFacts, width: float) -> int:
        first, last = self._span(chunk)
        per_point = (last - first) / chunk.point_count
        # An interval has two points, so it is twice as wide as the room for one.
        return next((block for block in (COARSE, FINE) if per_point * block <= width), 0) if chunk.has_rollup else 0

    def draw(self, data: Mapping[int, bytes], rollups: Mapping[int, bytes]) -> tuple[Points, int]:
        """The points of the chart, and the number of points in the window."""
        parts, begins = [], []
        total = 0
        for segment in self.segments:
            if segment.chunk and segment.chunk.id in self.blocks:
                points, starts = read_rollup(rollups[segment.chunk.id], self.window.axis)
                total += segment.chunk.point_count
            else:
                points = self.window.inside(segment.load({**self.series.data, **data}))
                starts = points.steps if self.window.axis is Axis.STEP else points.timestamps.astype(np.float64)
                total += len(points)
            parts.append(points)
            begins.append(starts)
        if not parts:
            return no_points(), 0
        return downsample(joined(parts), self.max_points, self.window.axis, np.concatenate(begins)), total


def _id(segment: Segment) -> int:
    return segment.chunk.id if segment.chunk else 0
