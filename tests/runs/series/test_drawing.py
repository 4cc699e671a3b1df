"""Charts against brute force: whatever lies in chunks, rollups and the log, a chart shows what all points do."""

from __future__ import annotations

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runs.models import Chunk
from runs.series import store
from runs.series.base import Axis, FloatColumns, PointBatch, SeriesKey, SeriesSlice
from runs.series.curves import open_curves
from runs.series.downsample import interval_count
from runs.series.drawing import Chart, Level, Window
from tests.runs.series.conftest import Recorder

ROOM = 42


def columns(count: int, gaps: str, seed: int) -> FloatColumns:
    """Points with steps and times that are regular, sparse in stretches, or irregular all over."""
    chance = np.random.default_rng(seed)
    widths = {
        "regular": np.ones(count),
        "stretches": np.where(np.arange(count) // 3000 % 2, 1.0, 400.0),
        "irregular": np.ceil(chance.pareto(0.7, count) + 0.001).clip(1, 1e6),
    }[gaps]
    steps = np.cumsum(widths)
    times = 1_700_000_000_000 + np.cumsum(widths * chance.uniform(0, 9, count)).astype(np.int64)
    return FloatColumns(steps, times, np.round(chance.standard_t(2, count), 6))


def with_specials(points: FloatColumns, count: int, seed: int) -> FloatColumns:
    chance = np.random.default_rng(seed)
    values = points.values.copy()
    values[chance.integers(0, len(values), count)] = chance.choice([np.nan, np.inf, -np.inf], count)
    return FloatColumns(points.steps, points.timestamps, values)


def append(recorder: Recorder, key: SeriesKey, points: FloatColumns) -> None:
    recorder.append(PointBatch(recorder.run.pk, recorder.writer(1), recorder._seq(None), {key.definition_id: points}))


def check(found: SeriesSlice, every: FloatColumns, axis: Axis, first: float, last: float, room: int) -> None:
    """Compare a chart with all points of the series, in step order."""
    positions = every.steps if axis is Axis.STEP else every.timestamps - (found.origin if axis is Axis.RELATIVE else 0)
    inside = (positions >= first) & (positions <= last)
    steps, times, values = every.steps[inside], every.timestamps[inside], every.values[inside]
    assert found.total == len(steps)
    assert len(found.steps) <= room
    assert found.is_exact == (len(found.steps) == len(steps))
    if not len(steps):
        return
    if len(steps) <= room:
        assert found.is_exact
    places = np.searchsorted(steps, found.steps)
    assert np.all(np.diff(places) > 0)
    assert found.steps.tolist() == steps[places].tolist()
    assert found.timestamps.tolist() == times[places].tolist()
    assert found.values.view(np.int64).tolist() == values[places].view(np.int64).tolist()
    assert places[[0, -1]].tolist() == [0, len(steps) - 1]
    for is_special in (np.isnan, np.isposinf, np.isneginf):
        assert is_special(values).any() == is_special(found.values).any()
    inside_positions = positions[inside].astype(np.float64)
    intervals = interval_count(room) if np.isfinite(values).all() else (room - 2) // 5
    # An interval's edges are those of blocks, less than one interval away: its extremes stand within twice its width.
    width = (inside_positions[-1] - inside_positions[0]) / intervals
    finite = np.isfinite(values)
    shown, kept = inside_positions[places], np.isfinite(found.values)
    for number in range(intervals):
        low = inside_positions[0] + number * width
        members = values[finite & (inside_positions >= low) & (inside_positions <= low + width)]
        near = found.values[kept & (shown >= low - 2 * width) & (shown <= low + 3 * width)]
        if len(members):
            assert near.min() <= members.min()
            assert near.max() >= members.max()


@pytest.mark.parametrize("gaps", ["regular", "stretches", "irregular"])
@pytest.mark.parametrize("specials", [0, 3, 500])
def test_charts_show_the_extremes_of_all_points(recorder: Recorder, loss: SeriesKey, gaps: str, specials: int):
    stored = with_specials(columns(60_000, gaps, 1), specials, 2)
    append(recorder, loss, stored)
    recorder.flush()
    chance = np.random.default_rng(4)
    span = float(stored.steps[-1])
    late = FloatColumns(
        np.concatenate([stored.steps[[5, 20_000, 20_001]], [span / 3 + 0.5, span + 1, span + 7]]),
        np.full(6, int(stored.timestamps[-1]) + 5),
        np.array([99.0, -99.0, np.nan, 50.0, 1.0, 2.0]),
    )
    every = stored
    for change in (None, "late", "flushed"):
        if change == "late":
            append(recorder, loss, late)
            steps = np.concatenate([stored.steps, late.steps])
            order = np.argsort(steps, kind="stable")
            last = np.append(np.diff(steps[order]) > 0, True)
            every = FloatColumns(
                *(np.concatenate([getattr(stored, name), getattr(late, name)])[order][last] for name in NAMES)
            )
        if change == "flushed":
            recorder.flush()
        for axis in Axis if change is None else [Axis.STEP]:
            low, high = (
                (0.0, span) if axis is Axis.STEP else (float(stored.timestamps[0]), float(stored.timestamps[-1]))
            )
            if axis is Axis.RELATIVE:
                low, high = 0.0, high - low
            windows = [(-np.inf, np.inf), *(np.sort(np.floor(chance.uniform(low, high, 2))).tolist() for _ in range(4))]
            for first, last_position in windows:
                found = recorder.slice(loss, first=first, last=last_position, axis=axis, max_points=ROOM)
                check(found, every, axis, first, last_position, ROOM)
                again = recorder.slice(loss, first=first, last=last_position, axis=axis, max_points=ROOM)
                assert again.steps.tolist() == found.steps.tolist()


NAMES = ("steps", "timestamps", "values")


@pytest.mark.django_db(transaction=True)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(1, 12_000), min_size=1, max_size=4),
    gaps=st.sampled_from(["regular", "stretches", "irregular"]),
    specials=st.integers(0, 20),
    flushes=st.integers(0, 4),
    axis=st.sampled_from(Axis),
    window=st.tuples(st.floats(-0.1, 1.1), st.floats(-0.1, 1.1)),
    room=st.integers(12, 300),
    seed=st.integers(0, 1000),
)
def test_any_series_is_drawn_as_brute_force_says(
    recorder: Recorder, sizes, gaps, specials, flushes, axis, window, room, seed
):
    key = recorder.define(f"m/{recorder.next_seq}")
    every = with_specials(columns(sum(sizes), gaps, seed), specials, seed)
    start = 0
    for number, size in enumerate(sizes):
        append(recorder, key, FloatColumns(*(getattr(every, name)[start : start + size] for name in NAMES)))
        start += size
        if number < flushes:
            recorder.flush()
    ends = {
        Axis.STEP: every.steps[[0, -1]],
        Axis.TIME: every.timestamps[[0, -1]],
        Axis.RELATIVE: every.timestamps[[0, -1]] - every.timestamps[0],
    }[axis]
    first, last = (float(np.floor(ends[0] + part * (ends[1] - ends[0]))) for part in sorted(window))
    check(recorder.slice(key, first=first, last=last, axis=axis, max_points=room), every, axis, first, last, room)


def test_each_level_is_used_where_it_is_fine_enough(recorder: Recorder, loss: SeriesKey):
    append(recorder, loss, columns(200_000, "regular", 3))
    recorder.flush()
    curve = open_curves([loss])[loss]
    assert Chunk.objects.filter(level=2, outline__isnull=True).count() == 0

    def levels(room: int, first: float = -np.inf, last: float = np.inf) -> set[Level]:
        chart = Chart(curve, Window(first, last, Axis.STEP), room)
        return {Level(each) for each in np.unique(chart.levels)} - {Level.DATA, Level.SKIP}

    assert levels(40) == {Level.OUTLINE}
    assert levels(500) == {Level.COARSE}
    assert levels(2000) == {Level.FINE}
    assert levels(2000, 50_000, 60_000) == set()


def test_a_chart_takes_the_same_number_of_queries_however_many_chunks_and_series(recorder: Recorder):
    keys = [recorder.define(f"m/{number}") for number in range(8)]
    for number, key in enumerate(keys):
        append(recorder, key, columns(90_000 if number < 7 else 20_000, "regular", number))
    recorder.flush()

    def queries(some: list[SeriesKey]) -> int:
        with CaptureQueriesContext(connection) as seen:
            store.read(some, max_points=200)
        return len(seen)

    assert queries(keys[:1]) == queries(keys[:7])
    assert queries(keys) <= 8


def test_no_interval_holds_points_from_before_and_after_the_clock_went_back(recorder: Recorder, loss: SeriesKey):
    count = 40_000
    points = columns(count, "regular", 7)
    times = np.where(np.arange(count) < count // 2, points.timestamps, points.timestamps - 80_000)
    values = points.values.clip(-3, 3)
    values[15_000], values[count // 2 + 5_000] = 1000.0, 900.0  # at nearly the same time, in different passes
    every = FloatColumns(points.steps, times, values)
    append(recorder, loss, every)
    recorder.flush()
    found = recorder.slice(loss, axis=Axis.TIME, max_points=ROOM)
    assert {1000.0, 900.0} <= set(found.values.tolist())
    assert np.all(np.diff(found.steps) > 0)
