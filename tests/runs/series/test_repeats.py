"""Batches without a number that are sent again, cut as before or elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.models import ReceivedBatch
from runs.series import repeats, store
from runs.series.base import SeriesKey
from runs.series.points import SeriesColumns
from tests.runs.series.conftest import NONE, Point, Recorder, bits

# One value, five times in a millisecond: what a tight loop logs.
LOOP: list[Point] = [(None, 1_000 + position // 5, 0.25) for position in range(100_000)]


def stored(recorder: Recorder, key: SeriesKey) -> Counter[tuple[int, int]]:
    return Counter((timestamp, value) for _, timestamp, value in recorder.points(key))


def expected(points: list[Point]) -> Counter[tuple[int, int]]:
    return Counter((timestamp, bits(value)) for _, timestamp, value in points)


@pytest.mark.parametrize("size", [1000, 997, 20_000, 33_333])
@pytest.mark.parametrize("flush", [False, True])
def test_equal_values_of_a_tight_loop_are_all_kept(recorder: Recorder, loss: SeriesKey, size: int, flush: bool):
    for start in range(0, len(LOOP), size):
        recorder.send({loss: LOOP[start : start + size]})
        if flush and start % (4 * size) == 0:
            recorder.flush()
    assert stored(recorder, loss) == expected(LOOP)
    assert recorder.steps(loss) == list(range(len(LOOP)))


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("change", [-7, -500, 0, 3, 800, 2500])
def test_a_batch_cut_shorter_or_longer_is_not_doubled(recorder: Recorder, loss: SeriesKey, change: int, flush: bool):
    points = LOOP[:6000]
    for start in range(0, 4000, 1000):
        recorder.send({loss: points[start : start + 1000]})
        if flush:
            recorder.flush()
    # The client crashed and sends everything from the third batch on again, cut elsewhere.
    end = 3000 + change
    recorder.send({loss: points[2000:end]})
    recorder.send({loss: points[end:]})
    assert stored(recorder, loss) == expected(points)
    assert recorder.steps(loss) == list(range(6000))


def test_sending_all_again_at_once_adds_nothing(recorder: Recorder, loss: SeriesKey):
    for start in range(0, 3000, 1000):
        recorder.send({loss: LOOP[start : start + 1000]})
    assert recorder.send({loss: LOOP[:3000]}) == 0
    assert recorder.send({loss: LOOP[:1500]}) == 0
    assert recorder.send({loss: LOOP[1500:3100]}) == 100


def test_series_that_begin_in_the_added_part_are_recognised_too(recorder: Recorder):
    keys = [recorder.define(f"metrics/{number}") for number in range(3)]
    queue = [(keys[number % 3], (None, 1_000 + number // 2, float(number % 4))) for number in range(3000)]

    def send(start: int, end: int) -> None:
        batch: dict[SeriesKey, list[Point]] = {}
        for key, point in queue[start:end]:
            batch.setdefault(key, []).append(point)
        recorder.send(dict(batch))

    for start in range(0, 2000, 500):
        send(start, start + 500)
    send(500, 1200)
    send(1200, 3000)
    for number, key in enumerate(keys):
        assert stored(recorder, key) == expected([point for found, point in queue if found == keys[number]])
        assert recorder.steps(key) == list(range(1000))


def test_two_short_batches_of_one_millisecond_are_both_kept(recorder: Recorder, loss: SeriesKey):
    recorder.send({loss: [(None, 5, 1.0), (None, 5, 2.0)]})
    recorder.send({loss: [(None, 5, 2.0), (None, 5, 2.0)]})
    assert recorder.values(loss) == [1.0, 2.0, 2.0, 2.0]


def test_nan_equals_nan_of_the_same_bits(recorder: Recorder, loss: SeriesKey):
    points: list[Point] = [(None, timestamp, NONE) for timestamp in range(10)]
    recorder.send({loss: points})
    recorder.flush()
    assert recorder.send({loss: [*points, (None, 20, NONE)]}) == 1
    assert len(recorder.steps(loss)) == 11


def test_lines_sent_again_are_recognised(recorder: Recorder, stdout: SeriesKey):
    lines = [(None, 100 + number // 3, f"epoch {number % 2}") for number in range(50)]
    recorder.send({}, {stdout: lines[:30]})
    recorder.flush()
    recorder.send({}, {stdout: lines[:20]})
    recorder.send({}, {stdout: lines[20:]})
    assert [(timestamp, line) for _, timestamp, line in recorder.lines(stdout)] == [line[1:] for line in lines]


def test_points_with_steps_sent_again_end_as_they_were(recorder: Recorder, loss: SeriesKey):
    points: list[Point] = [(1, 10, 1.0), (2, 11, 2.0), (1, 12, 3.0)]
    recorder.send({loss: points})
    recorder.flush()
    recorder.send({loss: points[:2]})
    recorder.send({loss: points[2:]})
    assert recorder.points(loss) == [(1, 12, bits(3.0)), (2, 11, bits(2.0))]


def test_a_series_cleared_and_logged_again_is_not_taken_for_a_repetition(recorder: Recorder, loss: SeriesKey):
    recorder.send({loss: [(None, 10, 1.0), (None, 12, 2.0)]})
    store.delete(recorder.run.pk, [loss.definition_id])
    assert recorder.send({loss: [(None, 10, 1.0)]}) == 1


def test_a_list_of_equal_values_with_one_timestamp_survives_a_cut(recorder: Recorder, loss: SeriesKey):
    recorder.send({loss: [(None, 7, 0.0)] * 600})
    assert recorder.send({loss: [(None, 7, 0.0)] * 400}) == 400
    assert recorder.steps(loss) == list(range(1000))


@pytest.mark.parametrize("flush", [False, True])
def test_such_a_list_survives_an_early_cut_where_the_batches_hold_other_series(
    recorder: Recorder, loss: SeriesKey, flush: bool
):
    other = recorder.define("metrics/other")
    recorder.send({loss: [(None, 7, 0.0)] * 100, other: [(None, 6, 1.0)]})
    if flush:
        recorder.flush()
    assert recorder.send({loss: [(None, 7, 0.0)] * 900, other: [(None, 8, 1.0)]}) == 901


def test_values_logged_once_per_batch_are_recognised_when_the_batch_is_cut_later(recorder: Recorder, loss: SeriesKey):
    other = recorder.define("metrics/other")
    recorder.send({loss: [(None, 7, 0.5)], other: [(None, 7, 1.0)]})
    recorder.flush()
    assert recorder.send({loss: [(None, 7, 0.5), (None, 9, 0.4)], other: [(None, 7, 1.0), (None, 9, 1.0)]}) == 2
    assert recorder.values(loss) == [0.5, 0.4]


def test_a_batch_cut_shorter_is_recognised_by_any_of_its_series(recorder: Recorder, loss: SeriesKey):
    other = recorder.define("metrics/other")
    queue: list[Point] = [(None, timestamp, 0.5) for timestamp in range(10, 16)]
    recorder.send({loss: queue[:1], other: queue})
    assert recorder.send({loss: queue[:1], other: queue[:3]}) == 0


def test_processes_that_share_a_series_lose_nothing(recorder: Recorder, loss: SeriesKey):
    """Each logs a value of its own in a tight loop, and their batches arrive in turn."""
    batches = [
        [(None, 100 + number // 5, float(worker)) for number in range(start, start + 398)]
        for start in (0, 398, 796)
        for worker in range(3)
    ]
    for batch in batches:
        assert recorder.send({loss: batch}) == 398


def test_heads_are_twelve_bytes_for_each_series(recorder: Recorder, loss: SeriesKey):
    other = recorder.define("metrics/other")
    batch: dict[SeriesKey, Sequence[Point]] = {loss: [(None, 1, 1.0)], other: [(3, 1, 1.0)]}
    recorder.send(batch)
    assert len(bytes(ReceivedBatch.objects.get().heads)) == 12


@given(
    st.lists(
        st.tuples(st.integers(1, 2**40), st.lists(st.tuples(st.integers(-5, 2**42), st.floats(width=32)), max_size=3)),
        min_size=1,
        max_size=5,
    )
)
def test_heads_of_a_few_points_are_those_of_many(series):
    points = [point for _, each in series for point in each]
    block = SeriesColumns(
        np.array([pk for pk, _ in series], np.int64),
        np.array([len(each) for _, each in series], np.int64),
        np.full(len(points), np.nan),
        np.array([timestamp for timestamp, _ in points], np.int64),
        np.array([value for _, value in points], np.float64),
    )
    assert repeats._few_entries(block) == repeats._entries(block)[1].tobytes()
