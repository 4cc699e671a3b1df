"""Reading points exactly, by their number. Only the chunks that a page lies in are read, however far in it is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from runs.series.base import SeriesKey
from runs.series.curves import Part, load_points, open_curves, parts_of
from runs.series.opened import OpenSeries, open_series
from runs.series.points import Points, joined, no_points
from runs.series.snapshot import snapshot


def read_floats(key: SeriesKey, offset: int, limit: int) -> tuple[Points, int]:
    """Points number `offset` and following of a float series, and the number of all."""
    with snapshot():
        curve = open_curves([key]).get(key)
        parts = parts_of(curve, -np.inf) if curve else []
        chosen = list(_chosen(parts, offset, offset + max(limit, 0)))
        stored = load_points(part.chunk_id for part, _ in chosen if part.chunk_id)
    found = [part.of(stored)[place] for part, place in chosen]
    return joined(found) if found else no_points(), sum(part.count for part in parts)


def _chosen(parts: Sequence[Part], start: int, end: int) -> list[tuple[Part, slice]]:
    """The parts that hold points number `start` to `end - 1`, and which of their points these are. A damaged chunk
    keeps its numbers but has no points."""
    bounds = [0, *np.cumsum([part.count for part in parts]).tolist()]
    return [
        (part, slice(max(start - first, 0), end - first))
        for part, (first, last) in zip(parts, pairwise(bounds), strict=True)
        if first < end and last > start
    ]


def read_strings(key: SeriesKey, offset: int, limit: int) -> tuple[Points, int]:
    """As read_floats, for lines of text. A negative offset counts from the end."""
    with snapshot():
        series = open_series([key], is_text=True).get(key)
        if series is None:
            return no_points(is_text=True), 0
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
