"""Reading points exactly: by their number."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from runs.series.base import SeriesKey
from runs.series.opened import OpenSeries, open_series
from runs.series.points import Points, joined, no_points
from runs.series.snapshot import snapshot


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
