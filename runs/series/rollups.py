"""What a chart needs to know of a chunk without decoding it: its outline, and its extremes by block.

A rollup has for blocks of 512 or of 64 points, column by column (float64, timestamps int64):

    step and timestamp of the block's first point
    step, timestamp and value of its smallest and of its largest finite value (the first of equal ones)
    only if the chunk has values that are not finite: step and timestamp of the block's first NaN, Infinity, -Infinity

Where a block has no such point the step is NaN. The outline says the same of the whole chunk in `OUTLINE`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from runs.series.base import Floats, Integers
from runs.series.points import Points

COARSE, FINE = 512, 64
COLUMNS, ALL_COLUMNS = 8, 14
_SPECIAL = (np.isnan, np.isposinf, np.isneginf)
_EXTREME = [("step", "<f8"), ("ms", "<i8"), ("value", "<f8")]
_ENDS = [(f"{end}_{name}", kind) for end in ("first", "last") for name, kind in _EXTREME]
_INSIDE = [(f"{name}_{column}", kind) for name in ("low", "high") for column, kind in _EXTREME]
_OTHERS = ("nan", "inf", "minus")

# The first and the last point, the smallest and the largest timestamp, and the extremes as in a rollup.
OUTLINE = np.dtype(
    [
        *_ENDS,
        ("least_ms", "<i8"),
        ("most_ms", "<i8"),
        *_INSIDE,
        *((f"{name}_{column}", kind) for name in _OTHERS for column, kind in _EXTREME[:2]),
    ]
)


def rollup(points: Points, block: int) -> bytes | None:
    """The rollup of a chunk's points, None for text and for less than a block."""
    if points.is_text or len(points) < block:
        return None
    starts = np.arange(0, len(points), block)
    columns = [points.steps[starts], points.timestamps[starts], *_extremes(points, starts)]
    return b"".join(column.astype("<i8" if column.dtype.kind == "i" else "<f8").tobytes() for column in columns)


def outline(points: Points) -> bytes:
    """The outline of a full chunk's points."""
    row = np.zeros(1, OUTLINE)
    for name in ("low", "high", *_OTHERS):
        row[f"{name}_step"] = np.nan
    for end, place in (("first", 0), ("last", -1)):
        _set(row, end, points.steps[place], points.timestamps[place], points.values[place])
    row["least_ms"], row["most_ms"] = points.timestamps.min(), points.timestamps.max()
    columns = _extremes(points, np.zeros(1, np.int64))
    _set(row, "low", *columns[:3])
    _set(row, "high", *columns[3:6])
    for number, name in enumerate(_OTHERS if len(columns) > 6 else ()):
        _set(row, name, *columns[6 + 2 * number : 8 + 2 * number])
    return row.tobytes()


def rough_outline(first_step: float, last_step: float, least_ms: int, most_ms: int) -> bytes:
    """The outline of a chunk of which no more than this is known: it has to be decoded."""
    row = np.zeros(1, OUTLINE)
    for name in ("first", "last", "low", "high", *_OTHERS):
        row[f"{name}_step"] = np.nan
    row["first_step"], row["last_step"], row["least_ms"], row["most_ms"] = first_step, last_step, least_ms, most_ms
    return row.tobytes()


def _set(row: NDArray[Any], name: str, *values: Any) -> None:
    for column, value in zip(("step", "ms", "value"), values, strict=False):
        row[f"{name}_{column}"] = value


def _extremes(points: Points, starts: Integers) -> list[NDArray[np.float64] | NDArray[np.int64]]:
    """The columns of extremes for blocks that begin at these places."""
    values = points.values
    finite = np.isfinite(values)
    is_finite = bool(finite.all())
    columns: list[NDArray[np.float64] | NDArray[np.int64]] = []
    for extreme, worst in ((np.minimum, np.inf), (np.maximum, -np.inf)):
        clean = values if is_finite else np.where(finite, values, worst)
        columns += _places(points, starts, clean, extreme, finite)
    if not is_finite:
        for is_special in _SPECIAL:
            columns += _firsts(points, starts, is_special(values))
    return columns


def _places(
    points: Points, starts: Integers, values: Floats, extreme: np.ufunc, finite: NDArray[np.bool_]
) -> list[NDArray[np.float64] | NDArray[np.int64]]:
    """Step, timestamp and value of the first extreme among the finite values of each block."""
    lengths = np.diff(starts, append=len(points))
    is_extreme = (values == np.repeat(extreme.reduceat(values, starts), lengths)) & finite
    steps, timestamps = _firsts(points, starts, is_extreme)
    found = np.full(len(starts), np.nan)
    found[~np.isnan(steps)] = extreme.reduceat(values, starts)[~np.isnan(steps)]
    return [steps, timestamps, found]


def _firsts(
    points: Points, starts: Integers, chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Step and timestamp of the first chosen point of each block; NaN and 0 where there is none."""
    places = np.flatnonzero(chosen)
    blocks = np.searchsorted(starts, places, side="right") - 1
    is_first = np.diff(blocks, prepend=-1) != 0
    steps, timestamps = np.full(len(starts), np.nan), np.zeros(len(starts), np.int64)
    steps[blocks[is_first]] = points.steps[places[is_first]]
    timestamps[blocks[is_first]] = points.timestamps[places[is_first]]
    return steps, timestamps
