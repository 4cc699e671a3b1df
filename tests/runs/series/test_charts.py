"""Reading for charts: which points are chosen, and what came since."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.series import store
from runs.series.base import Axis, SeriesKey, SeriesSlice
from runs.series.curves import open_curves
from runs.series.downsample import downsample
from runs.series.drawing import Chart, Level, Window
from runs.series.points import Points
from tests.runs.series.conftest import Recorder

NAN, INFINITY = float("nan"), float("inf")


def points_of(values: list[float], timestamps: list[int] | None = None) -> Points:
    count = len(values)
    times = np.arange(count, dtype=np.int64) if timestamps is None else np.array(timestamps, np.int64)
    return Points(np.arange(count, dtype=np.float64), times, np.array(values, np.float64))


series_of_floats = st.lists(
    st.one_of(st.floats(width=32), st.sampled_from([NAN, INFINITY, -INFINITY, 0.0])), min_size=1, max_size=200
)


@given(values=series_of_floats, max_points=st.integers(0, 60), axis=st.sampled_from(Axis))
def test_chosen_points_are_true_few_ordered_and_the_same_every_time(values: list[float], max_points: int, axis: Axis):
    points = points_of(values)
    chosen = downsample(points, max_points, axis)
    assert len(chosen) <= max(max_points, 0)
    assert (np.diff(chosen.steps) > 0).all()
    places = chosen.steps.astype(int)
    assert chosen.values.view(np.int64).tolist() == points.values.view(np.int64)[places].tolist()
    again = downsample(points, max_points, axis)
    assert again.steps.tolist() == chosen.steps.tolist()
    if max_points >= 2:
        assert {0.0, float(len(values) - 1)} <= set(chosen.steps.tolist())
    if max_points >= len(values):
        assert len(chosen) == len(values)


@given(values=series_of_floats, max_points=st.integers(10, 60))
def test_extremes_and_special_values_never_disappear(values: list[float], max_points: int):
    chosen = downsample(points_of(values), max_points, Axis.STEP).values
    finite = [value for value in values if np.isfinite(value)]
    if finite:
        assert min(finite) in chosen
        assert max(finite) in chosen
    for special in (INFINITY, -INFINITY):
        assert (special in values) == (special in chosen)
    assert any(np.isnan(values)) == bool(np.isnan(chosen).any())


def test_every_interval_keeps_its_smallest_and_largest_value():
    values = np.random.default_rng(3).normal(size=100_000)
    chosen = downsample(points_of(values.tolist()), 1002, Axis.STEP)
    assert len(chosen) <= 1002
    for interval in np.array_split(values, 500):
        assert interval.min() in chosen.values
        assert interval.max() in chosen.values


def test_a_gap_of_nan_shows_as_one():
    values = [1.0] * 400 + [NAN] * 200 + [2.0] * 400
    chosen = downsample(points_of(values), 100, Axis.STEP)
    gap = chosen.steps[np.isnan(chosen.values)]
    assert gap.min() < 430
    assert gap.max() > 570


def test_on_the_time_axis_points_stay_in_step_order_when_clocks_jump():
    values = list(range(1000))
    timestamps = [*range(5000, 5500), *range(500)]  # the clock went back half-way
    chosen = downsample(points_of([float(value) for value in values], timestamps), 50, Axis.TIME)
    assert (np.diff(chosen.steps) > 0).all()
    assert chosen.steps[[0, -1]].tolist() == [0, 999]


def test_points_of_one_moment_are_spread_by_order():
    chosen = downsample(points_of([float(value) for value in range(1000)], [7] * 1000), 102, Axis.TIME)
    assert len(chosen) > 90


@pytest.mark.parametrize("flushed", [False, True])
def test_a_range_of_steps_is_inclusive_and_counted(recorder: Recorder, loss: SeriesKey, flushed: bool):
    recorder.log(loss, [(step, 2 * step, float(step)) for step in range(40_000)])
    if flushed:
        recorder.flush()
    found = recorder.slice(loss, first=8_000, last=16_999)
    assert (found.total, found.is_exact, found.steps[0], found.steps[-1]) == (9_000, True, 8_000, 16_999)
    found = recorder.slice(loss, first=8_000, last=16_999, max_points=100)
    assert (found.total, found.is_exact, found.steps[0], found.steps[-1]) == (9_000, False, 8_000, 16_999)
    found = recorder.slice(loss, first=30, last=39, axis=Axis.TIME)
    assert found.steps.tolist() == [15, 16, 17, 18, 19]
    assert recorder.slice(loss, first=50_000).total == 0


def test_a_late_point_replaces_one_outside_of_the_time_range(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(0, 100, 1.0), (1, 200, 2.0)])
    recorder.flush()
    recorder.log(loss, [(0, 900, 3.0)])
    assert recorder.slice(loss, first=50, last=250, axis=Axis.TIME).values.tolist() == [2.0]
    assert recorder.slice(loss, first=850, last=950, axis=Axis.TIME).values.tolist() == [3.0]


def test_a_long_series_keeps_its_spikes_in_a_chart(recorder: Recorder, loss: SeriesKey):
    values = np.sin(np.arange(200_000) / 9000)
    values[[123_456, 77]] = [50.0, -50.0]
    recorder.log(loss, [(None, step, value) for step, value in enumerate(values.tolist())])
    recorder.flush()
    recorder.log(loss, [(None, 200_000, 0.5)])
    found = recorder.slice(loss, max_points=1000)
    assert len(found.steps) <= 1000
    assert (found.total, found.is_exact) == (200_001, False)
    spikes = dict(zip(found.values.tolist(), found.steps.tolist(), strict=True))
    assert (spikes[50.0], spikes[-50.0]) == (123_456, 77)
    assert found.steps[[0, -1]].tolist() == [0, 200_000]
    assert recorder.slice(loss, max_points=1000).steps.tolist() == found.steps.tolist()


@pytest.mark.parametrize("axis", list(Axis))
def test_rollups_hide_no_extreme(recorder: Recorder, loss: SeriesKey, axis: Axis):
    count, room = 200_000, 1000
    values = np.random.default_rng(5).standard_t(2, count)
    recorder.log(loss, [(step, 3 * step, value) for step, value in enumerate(values.tolist())])
    recorder.flush()
    curve = open_curves([loss])[loss]
    assert len(Chart(curve, Window(-INFINITY, INFINITY, axis), room).ids(Level.FINE)) > 20
    found = recorder.slice(loss, max_points=room, axis=axis)
    assert len(found.steps) <= room
    assert found.total == count
    assert found.values.tolist() == values[found.steps.astype(int)].tolist()
    for interval in np.array_split(np.arange(count), (room - 2) // 2):
        # Edges are moved to those of blocks, by less than 512 points here.
        near = found.values[(found.steps >= interval[0] - 512) & (found.steps <= interval[-1] + 512)]
        assert near.min() <= values[interval].min()
        assert near.max() >= values[interval].max()


def test_late_points_show_in_a_chart_made_from_rollups(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(step, step, 0.0) for step in range(200_000)])
    recorder.flush()
    recorder.log(loss, [(50_000, 1, 7.0), (100_000.5, 1, -7.0)])
    for _ in range(2):
        found = recorder.slice(loss, max_points=500)
        assert found.total == 200_001
        assert {7.0, -7.0} <= set(found.values.tolist())
        recorder.flush()
    zoomed = recorder.slice(loss, max_points=500, first=49_000, last=150_000)
    assert (zoomed.total, zoomed.steps[0], zoomed.steps[-1]) == (101_002, 49_000, 150_000)


def follow(key: SeriesKey, found: SeriesSlice, max_points: int = 1000) -> SeriesSlice | None:
    return store.read_since([(key, found.cursor)], max_points=max_points)[0]


@pytest.mark.parametrize("flushed", [False, True])
def test_what_came_since_is_read_without_the_rest(recorder: Recorder, loss: SeriesKey, flushed: bool):
    recorder.log(loss, [(None, 1, 1.0), (None, 2, 2.0)])
    found = recorder.slice(loss)
    recorder.log(loss, [(None, 3, 3.0)])
    if flushed:
        recorder.flush()
    added = follow(loss, found)
    assert added is not None
    assert (added.steps.tolist(), added.values.tolist(), added.total) == ([2.0], [3.0], 1)
    nothing = follow(loss, added)
    assert nothing is not None
    assert len(nothing.steps) == 0
    recorder.flush()
    recorder.log(loss, [(None, 4, 4.0)])
    added = follow(loss, nothing)
    assert added is not None
    assert added.values.tolist() == [4.0]


def test_additions_beyond_the_budget_come_with_the_next_reading(recorder: Recorder, loss: SeriesKey):
    found = recorder.slice(loss)
    recorder.log(loss, [(None, step, float(step)) for step in range(25)])
    seen: list[float] = []
    for _ in range(3):
        added = follow(loss, found, 10)
        assert added is not None
        seen += added.steps.tolist()
        found = added
    assert seen == list(range(25))


@pytest.mark.parametrize("flush_before", [False, True])
@pytest.mark.parametrize("flush_after", [False, True])
@pytest.mark.parametrize("late", [(1.0, 9, 9.0), (0.5, 9, 9.0), (2.0, 9, 9.0), (-5, 9, 9.0)])
def test_late_points_ask_for_a_new_reading(
    recorder: Recorder, loss: SeriesKey, late: tuple[float, int, float], flush_before: bool, flush_after: bool
):
    recorder.log(loss, [(0, 1, 1.0), (1, 2, 2.0), (2, 3, 3.0)])
    if flush_before:
        recorder.flush()
    found = recorder.slice(loss)
    recorder.log(loss, [late, (7, 1, 1.0)])
    if flush_after:
        recorder.flush()
    assert follow(loss, found) is None
    again = follow(loss, recorder.slice(loss))
    assert again is not None
    assert again.total == 0


def test_late_points_are_noticed_after_chunks_were_joined(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(step, 1, 1.0) for step in range(5000)])
    recorder.flush()
    found = recorder.slice(loss, max_points=100)
    recorder.log(loss, [(17, 2, 5.0)])
    recorder.flush()
    recorder.log(loss, [(step, 1, 1.0) for step in range(5000, 12_000)])
    recorder.flush()
    assert follow(loss, found) is None


def test_joining_chunks_is_no_change_for_a_reader(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(step, 1, 1.0) for step in range(5000)])
    recorder.flush()
    found = recorder.slice(loss, max_points=100)
    recorder.log(loss, [(step, 1, 1.0) for step in range(5000, 12_000)])
    recorder.flush()
    added = follow(loss, found, 100_000)
    assert added is not None
    assert added.steps.tolist() == list(range(5000, 12_000))


def test_a_series_deleted_and_logged_again_asks_for_a_new_reading(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(None, 1, 1.0), (None, 2, 2.0)])
    found = recorder.slice(loss)
    store.delete(recorder.run.pk, [loss.definition_id])
    assert follow(loss, found) is None
    recorder.log(loss, [(None, 5, 1.0), (None, 6, 2.0), (None, 7, 2.0)])
    recorder.flush()
    assert follow(loss, found) is None


@pytest.mark.parametrize("cursor", ["", "nonsense", "AAAA", "é", "A" * 44])
def test_a_cursor_that_is_none_asks_for_a_new_reading(recorder: Recorder, loss: SeriesKey, cursor: str):
    recorder.log(loss, [(None, 1, 1.0)])
    assert store.read_since([(loss, cursor)], max_points=10) == [None]
