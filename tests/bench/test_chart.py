"""The check of charts must see a lost extreme, or it proves nothing."""

from __future__ import annotations

import numpy as np
import pytest

from bench.work.chart import WrongChart, check

VALUES = np.sin(np.arange(10_000) / 300.0)


def chart(values: np.ndarray, buckets: int = 100) -> dict[str, object]:
    """What a correct server answers: the first and the last point, and of every bucket the least and the largest."""
    steps = {0, len(values) - 1}
    for part in np.array_split(np.arange(len(values)), buckets):
        steps |= {int(part[values[part].argmin()]), int(part[values[part].argmax()])}
    shown = sorted(steps)
    return {"steps": shown, "values": values[shown].tolist(), "total": len(values)}


def test_a_chart_with_the_extremes_of_every_bucket_passes():
    check(chart(VALUES), VALUES)


def test_a_lost_spike_is_found():
    values = VALUES.copy()
    without = chart(values)
    values[5_005] = 9.0
    with pytest.raises(WrongChart, match="extreme"):
        check(without, values)


def test_an_invented_point_is_found():
    wrong = chart(VALUES)
    wrong["values"][3] += 0.5  # type: ignore[index]
    with pytest.raises(WrongChart, match="never logged"):
        check(wrong, VALUES)


def test_a_missing_point_is_counted():
    with pytest.raises(WrongChart, match="counted"):
        check({**chart(VALUES), "total": 9_999}, VALUES)
