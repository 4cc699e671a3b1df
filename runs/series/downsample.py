"""Choosing the points of a chart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runs.series.base import Axis, Floats
from runs.series.points import Points


def downsample(points: Points, max_points: int, axis: Axis, begins: Floats | None = None) -> Points:
    """At most `max_points` of the points, which are in step order, as are those returned.

    The axis is cut into intervals of equal width. The first and the last point stay, and of every interval the smallest
    and the largest finite value, and the first of each of NaN, Infinity and -Infinity, if the points have such at all:
    a gap or a spike never disappears. Equal input gives equal output; with enough room all points are returned.
    `begins` are positions on the axis that decide the interval of each point instead of its own: where the block begins
    that the point is an extreme of.
    """
    if len(points) <= max_points:
        return points
    if max_points < 3:
        return points[[0, -1][2 - max(max_points, 0) :]]
    classes = _classes(points.values)
    bucket_count = (max_points - 2) // (len(classes) + 1 if 0 in classes else len(classes))
    chosen = {0, len(points) - 1}
    if bucket_count:
        buckets = _buckets(_positions(points, axis) if begins is None else begins, bucket_count)
        for each, members in classes.items():
            chosen.update(_extremes(points, buckets, members) if each == 0 else _first_of_each(buckets, members))
    return points[np.array(sorted(chosen))]


def _classes(values: NDArray[np.float64]) -> dict[int, NDArray[np.int64]]:
    """The indices of finite values (0), NaN (1), Infinity (2) and -Infinity (3), without empty classes."""
    finite = np.isfinite(values)
    if finite.all():
        return {0: np.arange(len(values))}
    masks = [finite, np.isnan(values), values == np.inf, values == -np.inf]
    return {number: np.flatnonzero(mask) for number, mask in enumerate(masks) if mask.any()}


def _positions(points: Points, axis: Axis) -> Floats:
    return points.steps if axis is Axis.STEP else points.timestamps.astype(np.float64)


def _buckets(positions: Floats, count: int) -> NDArray[np.int64]:
    """The interval each point lies in."""
    low, high = float(positions.min()), float(positions.max())
    width = high / count - low / count  # never overflows
    if width <= 0:
        return np.arange(len(positions)) * count // len(positions)  # all at one moment: by order
    return np.clip(((positions - low) / width).astype(np.int64), 0, count - 1)


def _extremes(points: Points, buckets: NDArray[np.int64], members: NDArray[np.int64]) -> list[int]:
    """The places of the first smallest and the first largest value of each bucket."""
    members = _grouped(buckets, members)
    starts = _starts(buckets[members])
    values = points.values[members]
    lengths = np.diff(starts, append=len(members))
    chosen: list[int] = []
    for extreme in (np.minimum, np.maximum):
        matches = members[values == np.repeat(extreme.reduceat(values, starts), lengths)]
        chosen += matches[_starts(buckets[matches])].tolist()
    return chosen


def _first_of_each(buckets: NDArray[np.int64], members: NDArray[np.int64]) -> list[int]:
    members = _grouped(buckets, members)
    return members[_starts(buckets[members])].tolist()  # type: ignore[no-any-return]


def _grouped(buckets: NDArray[np.int64], members: NDArray[np.int64]) -> NDArray[np.int64]:
    """The members ordered by bucket; by step they are already, by time as long as the clock did not go back."""
    found = buckets[members]
    return members if np.all(found[1:] >= found[:-1]) else members[np.argsort(found, kind="stable")]


def _starts(buckets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each bucket begins among ordered ones."""
    return np.flatnonzero(np.append(True, buckets[1:] != buckets[:-1]))
