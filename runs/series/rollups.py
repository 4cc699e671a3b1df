"""Extremes of a full chunk by block, so that a chart of a long series need not decode all of it.

For blocks of 512 and of 64 points a rollup has, column by column: the step and the timestamp of the block's first
point, and step, timestamp and value of its smallest and of its largest point (the first of equal ones). Chunks with
values that are not finite have none and are always decoded.
"""

from __future__ import annotations

import numpy as np

from runs.series.base import Axis, Floats, Integers
from runs.series.points import Points

COARSE, FINE = 512, 64
COLUMNS = 8


def rollup(points: Points, block: int) -> bytes | None:
    """The rollup of a chunk's points, None if it has to be decoded always."""
    if points.is_text or len(points) < block or not np.isfinite(points.values).all():
        return None
    starts = np.arange(0, len(points), block)
    lengths = np.diff(starts, append=len(points))
    lowest = _places(points.values, starts, lengths, np.minimum)
    highest = _places(points.values, starts, lengths, np.maximum)
    columns = [points.steps[starts], points.timestamps[starts]]
    for places in (lowest, highest):
        columns += [points.steps[places], points.timestamps[places], points.values[places]]
    return b"".join(column.astype("<i8" if column.dtype.kind == "i" else "<f8").tobytes() for column in columns)


def _places(values: Floats, starts: Integers, lengths: Integers, extreme: np.ufunc) -> Integers:
    matches = np.flatnonzero(values == np.repeat(extreme.reduceat(values, starts), lengths))
    blocks = np.searchsorted(starts, matches, side="right")
    return matches[np.flatnonzero(np.diff(blocks, prepend=0))]


def read_rollup(data: bytes, axis: Axis) -> tuple[Points, Floats]:
    """The extremes as points in step order, and where on the axis the block of each begins."""
    columns = np.frombuffer(data, "<f8").reshape(COLUMNS, -1)
    times = columns.view("<i8")
    begins = columns[0] if axis is Axis.STEP else times[1].astype(np.float64)
    points = Points(
        np.concatenate([columns[2], columns[5]]),
        np.concatenate([times[3], times[6]]),
        np.concatenate([columns[4], columns[7]]),
    )
    _, places = np.unique(points.steps, return_index=True)
    return points[places], np.concatenate([begins, begins])[places]
