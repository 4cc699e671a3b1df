"""Reading points exactly: by their number, or all of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from runs.series.base import SeriesKey, SeriesSlice
from runs.series.opened import OpenSeries, open_series
from runs.series.points import Points, joined, no_points
from runs.series.snapshot import snapshot

SEGMENTS_AT_ONCE = 4


def read_page(key: SeriesKey, offset: int, limit: int, *, is_text: bool) -> tuple[Points, int]:
    """Points number `offset` and following, and the number of all. A negative offset counts from the end."""
    with snapshot():
        series = open_series([key], is_text=is_text).get(key)
        if series is None:
            return no_points(is_text=is_text), 0
        counts = series.counts()
        total = sum(counts)
        start = max(total + offset, 0) if offset < 0 else offset
        return _numbered(series, counts, start, start + max(limit, 0)), total


def _numbered(series: OpenSeries, counts: list[int], start: int, end: int) -> Points:
    """Points number `start` to `end - 1`. A damaged chunk keeps its numbers but has no points."""
    bounds = [0, *np.cumsum(counts).tolist()]
    parts = []
    for segment, (first, last) in zip(series.segments, pairwise(bounds), strict=True):
        if first < end and last > start:
            parts.append(series.load([segment])[max(start - first, 0) : end - first])
    return joined(parts) if parts else no_points(is_text=series.flushed.is_text)


def iterate(key: SeriesKey) -> Iterator[SeriesSlice]:
    """All points in step order. Each piece is read for itself, so what is logged meanwhile at the end comes too."""
    after = -np.inf
    while True:
        with snapshot():
            series = open_series([key], is_text=False).get(key)
            segments = [each for each in series.segments if each.last_step > after][:SEGMENTS_AT_ONCE] if series else []
            if series is None or not segments:
                return
            points = series.load(segments)
            total = sum(series.counts())
        points = points[points.steps > after]
        after = segments[-1].last_step
        if len(points):
            yield SeriesSlice(key, points.steps, points.timestamps, points.values, total, is_exact=True)
