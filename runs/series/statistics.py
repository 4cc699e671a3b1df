"""What the attribute row of a series says of its points, computed and added up."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from runs.series.points import Points


@dataclass(frozen=True, slots=True)
class Statistics:
    """Over finite values, except for `count`. Of text only the count."""

    count: int = 0
    finite_count: int = 0
    minimum: float | None = None
    maximum: float | None = None
    total: float = 0.0
    sum_squares: float = 0.0

    def __add__(self, other: Statistics) -> Statistics:
        minima = [each for each in (self.minimum, other.minimum) if each is not None]
        maxima = [each for each in (self.maximum, other.maximum) if each is not None]
        return Statistics(
            self.count + other.count,
            self.finite_count + other.finite_count,
            min(minima, default=None),
            max(maxima, default=None),
            _bounded(self.total + other.total),
            _bounded(self.sum_squares + other.sum_squares),
        )


def statistics(points: Points) -> Statistics:
    if points.is_text or not len(points):
        return Statistics(len(points))
    values = points.values
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Statistics(len(points))
    with np.errstate(over="ignore"):
        total, squares = _bounded(float(finite.sum())), _bounded(float((finite * finite).sum()))
    return Statistics(len(points), len(finite), float(finite.min()), float(finite.max()), total, squares)


def _bounded(total: float) -> float:
    """A sum beyond the range of floats stays at its end: databases do not all take infinities and NaN."""
    return max(-sys.float_info.max, min(sys.float_info.max, total))
