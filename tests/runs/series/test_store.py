"""The contract every series store keeps (runs/series/base.py)."""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
import pytest
from django.db import transaction

from runs.models import Attribute, AttributeDefinition, BatchLog, Chunk, Run
from runs.models.attribute import ValueFlag
from runs.series import count_unflushed, runs_to_flush, store
from runs.series.base import PointBatch, SeriesKey
from tests.runs.series.conftest import Recorder, bits, floats


def attribute(key: SeriesKey) -> Attribute:
    return Attribute.objects.get(run_id=key.run_id, definition_id=key.definition_id)


def test_what_was_logged_can_be_read_before_and_after_a_flush(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(0, 10, 1.5), (1, 11, 0.5)])
    before = recorder.points(loss)
    assert before == [(0, 10, bits(1.5)), (1, 11, bits(0.5))]
    assert recorder.flush() == 2
    assert recorder.unflushed() == 0
    assert recorder.points(loss) == before


def test_a_series_nobody_logged_to_is_empty(recorder: Recorder, loss: SeriesKey, stdout: SeriesKey):
    absent = SeriesKey(recorder.run.pk, 987_654)
    assert [len(each.steps) for each in store.read([loss, absent, stdout], max_points=10)] == [0, 0, 0]
    assert store.read_page(absent, offset=0, limit=5).total == 0
    assert store.read_strings(absent, offset=-5, limit=5).values == []
    assert list(store.scan([absent])) == []
    assert store.summaries(recorder.run.pk)[loss.definition_id].count == 0


def test_points_come_ordered_by_step_whatever_order_they_came_in(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(5, 50, 5.0), (1, 10, 1.0)])
    recorder.flush()
    recorder.log(loss, [(3, 30, 3.0), (0.5, 5, 0.5), (9, 90, 9.0)])
    assert recorder.steps(loss) == [0.5, 1, 3, 5, 9]
    recorder.flush()
    assert recorder.steps(loss) == [0.5, 1, 3, 5, 9]


def test_what_the_caller_takes_back_was_never_logged(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(None, 1, 1.0)])
    with transaction.atomic():
        recorder.log(loss, [(None, 2, 2.0)], seq=7)
        assert recorder.values(loss) == [1.0, 2.0]
        transaction.set_rollback(True)
    assert recorder.values(loss) == [1.0]
    assert recorder.log(loss, [(None, 2, 3.0)], seq=7).point_count == 1
    assert recorder.points(loss) == [(0, 1, bits(1.0)), (1, 2, bits(3.0))]


@pytest.mark.parametrize("flush_between", [False, True])
def test_the_last_point_of_a_step_wins(recorder: Recorder, loss: SeriesKey, flush_between: bool):
    recorder.log(loss, [(1, 10, 1.0), (2, 20, 9.0), (1, 11, 1.5)])
    if flush_between:
        recorder.flush()
    recorder.log(loss, [(2, 21, 2.0)])
    assert recorder.points(loss) == [(1, 11, bits(1.5)), (2, 21, bits(2.0))]
    assert store.summaries(recorder.run.pk)[loss.definition_id].maximum == 2.0
    recorder.flush()
    assert recorder.points(loss) == [(1, 11, bits(1.5)), (2, 21, bits(2.0))]
    assert (attribute(loss).count, attribute(loss).maximum, attribute(loss).total) == (2, 2.0, 3.5)


def test_minus_zero_and_zero_are_one_step(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(0.0, 1, 1.0)])
    recorder.flush()
    recorder.log(loss, [(-0.0, 2, 2.0)])
    assert recorder.values(loss) == [2.0]


def test_a_numbered_batch_counts_once_before_and_after_a_flush(recorder: Recorder, loss: SeriesKey):
    assert recorder.log(loss, [(None, 1, 1.0)], seq=1).point_count == 1
    assert recorder.log(loss, [(None, 1, 1.0)], seq=1).point_count == 0
    recorder.flush()
    assert recorder.log(loss, [(None, 1, 1.0)], seq=1).point_count == 0
    assert recorder.log(loss, [(None, 1, 1.0)], seq=1, writer=2).point_count == 1
    assert recorder.values(loss) == [1.0, 1.0]


def test_a_batch_that_came_before_its_predecessor_is_known_after_a_flush(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(None, 1, 1.0)], seq=1)
    recorder.log(loss, [(None, 3, 3.0)], seq=3)
    recorder.flush()
    assert recorder.log(loss, [(None, 3, 3.0)], seq=3).point_count == 0
    assert recorder.log(loss, [(None, 2, 2.0)], seq=2).point_count == 1
    recorder.flush()
    assert recorder.values(loss) == [1.0, 3.0, 2.0]
    assert recorder.unflushed() == 0
    assert recorder.log(loss, [(None, 3, 3.0)], seq=3).point_count == 0


def test_a_gap_in_the_numbers_is_given_up_in_the_end(recorder: Recorder, loss: SeriesKey):
    for seq in range(2, 102):
        recorder.log(loss, [(None, seq, float(seq))], seq=seq)
    recorder.flush()
    assert recorder.unflushed() <= 64
    assert recorder.log(loss, [(None, 50, 50.0)], seq=50).point_count == 0
    assert len(recorder.steps(loss)) == 100


def test_a_numbered_batch_without_points_keeps_its_place(recorder: Recorder, loss: SeriesKey):
    store.append(PointBatch(recorder.run.pk, recorder.writer(1), 1))
    recorder.log(loss, [(None, 1, 1.0)], seq=2)
    recorder.flush()
    assert recorder.unflushed() == 0


def test_special_floats_keep_every_bit(recorder: Recorder, loss: SeriesKey):
    payload_nan = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_DEAD_BEEF))[0]
    negative_nan = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0001))[0]
    special = [payload_nan, negative_nan, float("inf"), float("-inf"), -0.0, 5e-324, 1.7976931348623157e308]
    values = (special * 2000)[:10_000]
    recorder.log(loss, [(None, position, value) for position, value in enumerate(values)])
    expected = [bits(value) for value in values]
    assert [each[2] for each in recorder.points(loss)] == expected
    recorder.flush()
    assert Chunk.objects.filter(codec=1).exists()
    assert [each[2] for each in recorder.points(loss)] == expected


def test_text_is_kept_as_it_is(recorder: Recorder, stdout: SeriesKey):
    lines = ["plain", "", "Grüße 😀", "zero\x00byte", "lone \ud800 surrogate", "x" * 70_000]
    recorder.log_text(stdout, [(None, position, line) for position, line in enumerate(lines)])
    assert [line for _, _, line in recorder.lines(stdout)] == lines
    recorder.flush()
    assert [line for _, _, line in recorder.lines(stdout)] == lines
    summary = store.summaries(recorder.run.pk)[stdout.definition_id]
    assert (summary.count, summary.last) == (6, "x" * 70_000)
    assert (attribute(stdout).text, attribute(stdout).long_text) == ("x" * 256, "x" * 70_000)


def test_a_last_line_that_a_database_would_refuse_is_summarised_all_the_same(recorder: Recorder, stdout: SeriesKey):
    recorder.log_text(stdout, [(None, 1, "a\x00b\ud800c")])
    before = store.summaries(recorder.run.pk)[stdout.definition_id].last
    recorder.flush()
    assert store.summaries(recorder.run.pk)[stdout.definition_id].last == before == "a\ufffdb?c"


def test_pages_of_lines_count_from_both_ends(recorder: Recorder, stdout: SeriesKey):
    recorder.log_text(stdout, [(None, position, f"line {position}") for position in range(20_000)])
    recorder.flush()
    recorder.log_text(stdout, [(None, 20_000 + position, f"line {20_000 + position}") for position in range(10)])
    page = store.read_strings(stdout, offset=8190, limit=4)
    assert (page.values, page.total) == ([f"line {position}" for position in range(8190, 8194)], 20_010)
    assert store.read_strings(stdout, offset=-12, limit=3).values == ["line 19998", "line 19999", "line 20000"]
    assert store.read_strings(stdout, offset=20_009, limit=5).values == ["line 20009"]
    assert store.read_strings(stdout, offset=30_000, limit=5).values == []


def test_long_lines_are_spread_over_rows_and_chunks(recorder: Recorder, stdout: SeriesKey):
    lines = [f"{position}" * 10_000 for position in range(400)]
    recorder.log_text(stdout, [(None, position, line) for position, line in enumerate(lines)])
    assert recorder.unflushed() > 1
    recorder.flush()
    assert Chunk.objects.count() > 1
    assert [line for _, _, line in recorder.lines(stdout)] == lines


def test_exact_pages_of_floats_include_late_points(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(2 * step, step, float(step)) for step in range(10_000)])
    recorder.flush()
    recorder.log(loss, [(5, 5, -1.0), (30_000, 6, -2.0)])
    page = store.read_page(loss, offset=1, limit=4)
    assert page.steps.tolist() == [2, 4, 5, 6]
    assert page.total == 10_002
    assert store.read_page(loss, offset=10_000, limit=10).steps.tolist() == [19_998, 30_000]


def test_iterating_gives_all_points_once_in_order(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(step, step, float(step)) for step in range(50_000)])
    recorder.flush()
    recorder.log(loss, [(10.5, 1, 0.0), (60_000, 1, 0.0)])
    steps = np.concatenate([each.steps for piece in store.scan([loss]) for _, each in piece])
    assert steps.tolist() == sorted([*map(float, range(50_000)), 10.5, 60_000.0])


def test_a_large_batch_is_stored_in_several_rows_in_order(recorder: Recorder, loss: SeriesKey):
    values = [float(position % 97) for position in range(150_000)]
    recorder.log(loss, [(None, position, value) for position, value in enumerate(values)])
    rows = BatchLog.objects.filter(run=recorder.run)
    assert rows.count() >= 3
    assert max(len(bytes(row.payload)) for row in rows) <= 1_100_000
    assert recorder.values(loss) == values
    recorder.flush()
    assert recorder.values(loss) == values
    assert recorder.steps(loss) == list(range(150_000))


def test_many_series_of_several_runs_are_read_in_a_fixed_number_of_queries(
    recorder: Recorder, run: Run, django_assert_num_queries
):
    keys = [recorder.define(f"metrics/{number}") for number in range(120)]
    batch = {key.definition_id: floats([(None, 1, float(number))]) for number, key in enumerate(keys)}
    store.append(PointBatch(run.pk, recorder.writer(1), 1, batch))
    recorder.flush()
    store.append(PointBatch(run.pk, recorder.writer(1), 2, batch))
    with django_assert_num_queries(4):
        slices = store.read(keys, max_points=100)
    assert [each.values.tolist() for each in slices] == [[float(number)] * 2 for number in range(120)]


def test_summaries_count_what_was_just_logged(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(0, 1, 2.0), (1, 2, float("nan")), (2, 3, float("inf"))])
    recorder.flush()
    recorder.log(loss, [(3, 9, -4.0)])
    summary = store.summaries(recorder.run.pk)[loss.definition_id]
    assert (summary.count, summary.finite_count, summary.last, summary.last_step, summary.last_ms) == (4, 2, -4, 3, 9)
    assert (summary.minimum, summary.maximum, summary.total, summary.sum_squares) == (-4, 2, -2, 20)
    assert (summary.mean, summary.variance) == (-1, 9)


def test_a_last_value_of_nan_is_a_flag_on_the_attribute(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(0, 1, float("nan"))])
    recorder.flush()
    assert (attribute(loss).number, attribute(loss).flags) == (None, ValueFlag.NAN)
    last = store.summaries(recorder.run.pk)[loss.definition_id].last
    assert isinstance(last, float)
    assert np.isnan(last)
    recorder.log(loss, [(1, 1, float("-inf"))])
    recorder.flush()
    assert (attribute(loss).number, attribute(loss).flags) == (float("-inf"), 0)


def test_sums_beyond_the_range_of_floats_do_not_break_a_flush(recorder: Recorder, loss: SeriesKey):
    for value in (1.7e308, 1.7e308, -1.7e308, -1.7e308):
        recorder.log(loss, [(None, 1, value)] * 3)
        recorder.flush()
    assert attribute(loss).count == 12
    assert attribute(loss).maximum == 1.7e308


def test_a_late_point_that_takes_the_extreme_away_is_noticed(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(step, step, 1000.0 if step == 77 else 1.0) for step in range(30_000)])
    recorder.flush()
    recorder.log(loss, [(77, 1, 3.0)])
    assert store.summaries(recorder.run.pk)[loss.definition_id].maximum == 3.0
    recorder.flush()
    assert (attribute(loss).maximum, attribute(loss).count) == (3.0, 30_000)


def test_deleting_a_series_leaves_others_and_what_comes_later(recorder: Recorder, loss: SeriesKey):
    accuracy = recorder.define("metrics/accuracy")
    recorder.log(loss, [(None, 1, 1.0)])
    recorder.flush()
    recorder.log(loss, [(None, 2, 2.0)])
    recorder.log(accuracy, [(None, 2, 0.5)])
    store.delete(recorder.run.pk, [loss.definition_id])
    assert recorder.points(loss) == []
    assert recorder.values(accuracy) == [0.5]
    assert (attribute(loss).count, attribute(loss).number, attribute(loss).last_step) == (0, None, None)
    recorder.log(loss, [(None, 3, 3.0)])
    assert recorder.points(loss) == [(0, 3, bits(3.0))]


def test_points_of_a_deleted_attribute_are_dropped(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(None, 1, 1.0)])
    Attribute.objects.filter(definition_id=loss.definition_id).delete()
    assert recorder.points(loss) == []
    recorder.flush()
    assert not Chunk.objects.exists()
    assert not Attribute.objects.filter(definition_id=loss.definition_id).exists()


def test_a_damaged_chunk_hides_no_other_points(recorder: Recorder, loss: SeriesKey, caplog):
    recorder.log(loss, [(step, step, 1.0) for step in range(20_000)])
    recorder.flush()
    damaged = Chunk.objects.order_by("first_step")[1]
    Chunk.objects.filter(pk=damaged.pk).update(data=bytes(damaged.data)[:-1] + b"?")
    assert recorder.slice(loss).steps.tolist() == [*range(8192), *range(16_384, 20_000)]
    assert "damaged" in caplog.text
    assert store.read_page(loss, offset=8192, limit=10).steps.tolist() == []
    assert len(list(store.scan([loss]))) >= 1


def test_small_flushes_do_not_leave_many_chunks(recorder: Recorder, loss: SeriesKey):
    for number in range(120):
        recorder.log(loss, [(None, number, float(number))] * 100)
        recorder.flush()
    assert Chunk.objects.count() <= 8
    assert recorder.steps(loss) == list(range(12_000))
    assert Chunk.objects.filter(level=2).count() == 1


def test_chunks_of_a_series_never_overlap(recorder: Recorder, loss: SeriesKey):
    random = np.random.default_rng(7)
    for _ in range(30):
        recorder.log(loss, [(float(step), 1, 1.0) for step in random.integers(0, 40_000, 1500)])
        recorder.flush()
    chunks = list(Chunk.objects.order_by("first_step"))
    assert all(one.last_step < other.first_step for one, other in pairwise(chunks))
    assert all(chunk.point_count <= 8192 for chunk in chunks)


def test_pending_runs_are_listed_until_they_are_flushed(recorder: Recorder, loss: SeriesKey):
    assert runs_to_flush(10) == []
    recorder.log(loss, [(None, 1, 1.0)])
    assert runs_to_flush(10) == [recorder.run.pk]
    assert count_unflushed(recorder.run.pk) == 1
    recorder.flush()
    assert runs_to_flush(10) == []
    assert count_unflushed(recorder.run.pk) == 0


def test_flushing_in_slices_gives_the_same(recorder: Recorder, loss: SeriesKey, monkeypatch):
    monkeypatch.setattr("runs.series.flush.SLICE_ROWS", 3)
    for number in range(10):
        recorder.log(loss, [(None, number, float(number))])
    expected = recorder.points(loss)
    assert recorder.flush() == 10
    assert recorder.points(loss) == expected
    assert recorder.unflushed() == 0


def test_the_run_remembers_its_newest_timestamp(recorder: Recorder, loss: SeriesKey):
    recorder.log(loss, [(None, 500, 1.0)])
    recorder.log(loss, [(None, 400, 1.0)])
    recorder.run.refresh_from_db()
    assert recorder.run.last_point_ms == 500


def test_flushing_a_run_that_is_gone_does_nothing(db):
    assert store.flush(123_456) == 0
    assert not AttributeDefinition.objects.exists()
