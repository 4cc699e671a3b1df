"""Steps for points logged without one: the largest step so far plus one, or 0.

The result depends on the largest step stored and the order of the log alone, and is the same when the log is numbered
in one go or piece by piece: that is what keeps a step the same before and after a flush.
"""

from __future__ import annotations

import math

import numpy as np

from runs.series.base import Floats

_EXACT = 2.0**52  # whole numbers up to here can be added in any order with the same result


def number_steps(steps: Floats, last_step: float | None) -> Floats:
    """`steps` in log order with every NaN replaced. `last_step` is the largest stored step, None in an empty series."""
    missing = np.isnan(steps)
    if not missing.any():
        return steps
    start = last_step if last_step is not None else _start(steps)
    given = steps[~missing]
    if _is_exact(given) and (not math.isfinite(start) or _is_exact(np.array([start]))):
        return _number_whole(steps, missing, start)
    return _number_one_by_one(steps, start)


def _start(steps: Floats) -> float:
    """What stands for the largest step in an empty series: its first point gets 0 unless it brings a step itself."""
    return -1.0 if math.isnan(steps[0]) else -math.inf


def _is_exact(steps: Floats) -> bool:
    return bool(np.all((np.abs(steps) < _EXACT) & (steps == np.floor(steps))))


def _number_whole(steps: Floats, missing: np.ndarray, start: float) -> Floats:
    # Let c count the missing steps so far. Each adds one to the largest step, so the largest step minus c only rises
    # where a given step does: a running maximum.
    added = np.cumsum(missing)
    rises = np.where(missing, -np.inf, steps - added)
    largest = np.maximum(np.maximum.accumulate(rises), start) + added
    return np.where(missing, largest, steps)


def _number_one_by_one(steps: Floats, start: float) -> Floats:
    numbered, largest = [], start
    for step in steps.tolist():
        if math.isnan(step):
            # Beyond 2**53 adding one changes nothing, and the point would take the place of the one before.
            step = largest + 1 if largest + 1 > largest else math.nextafter(largest, math.inf)
        largest = max(largest, step)
        numbered.append(step)
    return np.array(numbered, np.float64)
