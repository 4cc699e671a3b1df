"""Columns of points as the store works on them: floats and strings alike are numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from runs.series.base import FloatColumns, Floats, Integers, StringColumns

Values: TypeAlias = NDArray[Any]  # float64, or objects that are str


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points of one series; `values` holds float64 or str objects. A NaN step is one that is not numbered yet."""

    steps: Floats
    timestamps: Integers
    values: Values

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: Any) -> Points:
        return Points(self.steps[index], self.timestamps[index], self.values[index])

    @property
    def is_text(self) -> bool:
        return self.values.dtype == object

    @property
    def weight(self) -> int:
        """Bytes, nearly: what decides how points are cut into rows."""
        text = sum(len(value) for value in self.values) if self.is_text else 8 * len(self)
        return text + 16 * len(self)


_FEW = 32


def bounds(timestamps: Integers) -> tuple[int, int]:
    """The least and the greatest of one or more timestamps."""
    if len(timestamps) <= _FEW:  # NumPy takes several times as long for a few
        few = timestamps.tolist()
        return min(few), max(few)
    return int(timestamps.min()), int(timestamps.max())


@dataclass(frozen=True, slots=True, eq=False)
class SeriesColumns:
    """Points of several float series, or string series, one series after the other. Lines are UTF-8 already."""

    definition_ids: Integers
    counts: Integers
    steps: Floats
    timestamps: Integers
    values: Floats | Sequence[bytes]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def is_text(self) -> bool:
        return not isinstance(self.values, np.ndarray)

    def part(self, start: int, end: int) -> SeriesColumns:
        """Points `start` to `end - 1`, with the series they are of."""
        ends = np.cumsum(self.counts)
        counts = np.minimum(ends, end) - np.maximum(ends - self.counts, start)
        inside = counts > 0
        return SeriesColumns(
            self.definition_ids[inside],
            counts[inside],
            self.steps[start:end],
            self.timestamps[start:end],
            self.values[start:end],
        )


def no_points(*, is_text: bool = False) -> Points:
    return Points(np.empty(0), np.empty(0, np.int64), np.empty(0, object if is_text else np.float64))


def from_columns(columns: FloatColumns | StringColumns) -> Points:
    """Columns as a caller gave them. A step of -0.0 becomes 0.0: they are one step."""
    steps = np.asarray(columns.steps, np.float64) + 0.0
    timestamps = np.asarray(columns.timestamps, np.int64)
    if isinstance(columns, FloatColumns):
        return Points(steps, timestamps, np.asarray(columns.values, np.float64))
    return Points(steps, timestamps, text_array(columns.values))


def text_array(values: Sequence[str]) -> Values:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def joined(parts: Sequence[Points]) -> Points:
    """The points of all parts (one at least), one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Points(
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.timestamps for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def by_step(points: Points) -> Points:
    """The points ordered by step, of several with one step the last."""
    if len(points) < 2 or bool(np.all(points.steps[1:] > points.steps[:-1])):
        return points
    points = points[np.argsort(points.steps, kind="stable")]
    return points[np.append(points.steps[1:] != points.steps[:-1], True)]


def cut(points: Points, max_count: int, max_weight: int) -> list[Points]:
    """The points in order, in pieces of about equal size that keep to both limits (a single point may be heavier)."""
    pieces = max(-(-len(points) // max_count), -(-points.weight // max_weight), 1)
    bounds = [len(points) * number // pieces for number in range(pieces + 1)]
    parts = [points[start:end] for start, end in pairwise(bounds) if end > start]
    if any(part.weight > max_weight and len(part) > 1 for part in parts):
        return [piece for part in parts for piece in cut(part, max(1, len(part) // 2), max_weight)]
    return parts


def fill(points: Points, max_count: int, max_weight: int) -> tuple[list[Points], Points]:
    """Full pieces from the start, each as large as both limits allow, and the rest."""
    weights = np.array([len(value) for value in points.values]) + 16 if points.is_text else np.full(len(points), 24)
    ends = np.cumsum(weights)
    pieces, start = [], 0
    while len(points) - start >= max_count or (start < len(points) and _weight(ends, start) >= max_weight):
        limit = int(np.searchsorted(ends, (ends[start - 1] if start else 0) + max_weight, side="right"))
        end = max(start + 1, min(start + max_count, limit))
        pieces.append(points[start:end])
        start = end
    return pieces, points[start:]


def _weight(ends: NDArray[Any], start: int) -> int:
    return int(ends[-1] - (ends[start - 1] if start else 0))
