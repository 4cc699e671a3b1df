"""Choosing the points of a chart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runs.series.base import Axis, Floats, Integers
from runs.series.points import Points

_FINITE, _NAN, _INFINITY, _MINUS_INFINITY = range(4)


def interval_count(max_points: int) -> int:
    """The intervals of a chart of finite values: each may show two points, and the first and the last one stay."""
    return (max_points - 2) // 2


def downsample(points: Points, max_points: int, axis: Axis, begins: Floats | None = None) -> Points:
    """At most `max_points` of the points, which are in step order, as are those returned.

    The axis is cut into intervals of equal width. The first and the last point stay, and of every interval the smallest
    and the largest finite value, and the first of each of NaN, Infinity and -Infinity, if the points have such at all:
    a gap or a spike never disappears. Equal input gives equal output; with enough room all points are returned.
    `begins` are positions on the axis that decide the interval of each point instead of its own: where the block begins
    that the point is an extreme of.

    Where time goes back from one step to the next (a run resumed elsewhere), the axis goes on from there: intervals
    hold points that follow each other. The one in which it happens may hold some from before and some from after.
    """
    if len(points) <= max_points:
        return points
    if max_points < 3:
        return points[[0, -1][2 - max(max_points, 0) :]]
    classes = _classes(points.values)
    count = (max_points - 2) // (len(classes) + 1 if _FINITE in classes else len(classes))
    chosen = [np.array([0, len(points) - 1])]
    if count:
        buckets = _buckets(_positions(points, axis) if begins is None else begins, count)
        for each, members in classes.items():
            chosen += _extremes(points, buckets, members) if each == _FINITE else [members[_starts(buckets[members])]]
    return points[np.unique(np.concatenate(chosen))]


def _classes(values: Floats) -> dict[int, Integers]:
    """The indices of finite values, NaN, Infinity and -Infinity, without empty classes."""
    finite = np.isfinite(values)
    if finite.all():
        return {_FINITE: np.arange(len(values))}
    masks = {_FINITE: finite, _NAN: np.isnan(values), _INFINITY: values == np.inf, _MINUS_INFINITY: values == -np.inf}
    return {each: np.flatnonzero(mask) for each, mask in masks.items() if mask.any()}


def _positions(points: Points, axis: Axis) -> Floats:
    return points.steps if axis is Axis.STEP else points.timestamps.astype(np.float64)


def _buckets(positions: Floats, count: int) -> NDArray[np.int64]:
    """The interval each point lies in; they never fall."""
    with np.errstate(over="ignore"):
        steps = np.diff(positions)
    if bool(np.any(steps < 0)):
        positions = np.concatenate([[0.0], np.cumsum(np.maximum(steps, 0))])
    low, high = float(positions[0]), float(positions[-1])
    width = high / count - low / count  # never overflows
    if width <= 0:
        return np.arange(len(positions)) * count // len(positions)  # all at one moment: by order
    return np.clip(((positions - low) / width).astype(np.int64), 0, count - 1)


def _extremes(points: Points, buckets: NDArray[np.int64], members: Integers) -> list[Integers]:
    """The places of the first smallest and the first largest value of each bucket."""
    inside = buckets[members]
    starts = _starts(inside)
    values = points.values[members]
    lengths = np.diff(starts, append=len(members))
    chosen = []
    for extreme in (np.minimum, np.maximum):
        matches = np.flatnonzero(values == np.repeat(extreme.reduceat(values, starts), lengths))
        chosen.append(members[matches[_starts(inside[matches])]])
    return chosen


def _starts(buckets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each bucket begins among ordered ones."""
    return np.flatnonzero(np.append(True, buckets[1:] != buckets[:-1]))
