"""Steps of points that were logged without one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.series.base import SeriesKey
from runs.series.numbering import number_steps
from tests.runs.series.conftest import NONE, Point, Recorder

steps_given = st.one_of(
    st.none(), st.integers(-50, 50).map(float), st.sampled_from([0.1, 2.5, -0.25, 1e12, 2.0**53, 2.0**52 - 1])
)


def numbered_one_by_one(steps: list[float | None], last: float | None) -> list[float]:
    found: list[float] = []
    for step in steps:
        if step is None:
            step = 0.0 if last is None else last + 1 if last + 1 > last else math.nextafter(last, math.inf)
        last = step if last is None else max(last, step)
        found.append(step)
    return found


@given(steps=st.lists(steps_given, max_size=30), last=steps_given)
def test_the_next_step_is_one_more_than_the_largest(steps: list[float | None], last: float | None):
    columns = np.array([NONE if step is None else step for step in steps], np.float64)
    assert number_steps(columns, last).tolist() == numbered_one_by_one(steps, last)


@given(steps=st.lists(steps_given, min_size=1, max_size=20), cut=st.integers(0, 20))
def test_numbering_in_two_goes_gives_the_same_steps(steps: list[float | None], cut: int):
    columns = np.array([NONE if step is None else step for step in steps], np.float64)
    first = number_steps(columns[:cut], None)
    last = float(first.max()) if len(first) else None
    assert [*first.tolist(), *number_steps(columns[cut:], last).tolist()] == number_steps(columns, None).tolist()


@pytest.mark.parametrize("flushes", [(), (0,), (1,), (0, 2), (0, 1, 2)])
def test_steps_do_not_depend_on_when_the_log_is_flushed(recorder: Recorder, loss: SeriesKey, flushes: tuple[int, ...]):
    batches: list[list[Point]] = [
        [(None, 1, 0.0), (None, 2, 1.0), (10, 3, 2.0)],
        [(None, 4, 3.0), (4, 5, 4.0), (None, 6, 5.0)],
        [(None, 7, 6.0), (20.5, 8, 7.0), (None, 9, 8.0)],
    ]
    for number, batch in enumerate(batches):
        recorder.log(loss, batch)
        if number in flushes:
            recorder.flush()
    assert recorder.steps(loss) == [0, 1, 4, 10, 11, 12, 13, 20.5, 21.5]
    assert recorder.values(loss) == [0, 1, 4, 2, 3, 5, 6, 7, 8]
