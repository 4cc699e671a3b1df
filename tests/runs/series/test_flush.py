"""Flushing: what is lost or held up when things go wrong meanwhile, and what becomes of damaged and late points."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.db import connection

from runs.models import Attribute, BatchLog, Chunk, DamagedChunk, Run
from runs.series import flush as flushing
from runs.series import flush_pending, layout, store
from runs.series.base import PointBatch, SeriesKey
from tests.runs.series.conftest import Recorder, bits, floats


def attribute(key: SeriesKey) -> Attribute:
    return Attribute.objects.get(run_id=key.run_id, definition_id=key.definition_id)


@pytest.fixture
def committed(transactional_db: None, recorder: Recorder) -> Recorder:
    """A recorder whose flushes are prepared without the lock, as they are outside tests."""
    return recorder


@pytest.mark.django_db(transaction=True)
def test_batches_logged_while_a_flush_is_prepared_stay_in_the_log(
    committed: Recorder, loss: SeriesKey, monkeypatch: pytest.MonkeyPatch
):
    committed.log(loss, [(None, 1, 1.0)])
    outside_snapshot(monkeypatch).append(lambda: committed.log(loss, [(None, 2, 2.0)]))
    assert committed.flush() == 1
    assert committed.unflushed() == 1
    assert committed.points(loss) == [(0, 1, bits(1.0)), (1, 2, bits(2.0))]
    assert committed.flush() == 1
    assert committed.points(loss) == [(0, 1, bits(1.0)), (1, 2, bits(2.0))]


@pytest.mark.django_db(transaction=True)
def test_a_flush_that_another_one_overtook_writes_nothing(
    committed: Recorder, loss: SeriesKey, monkeypatch: pytest.MonkeyPatch
):
    committed.log(loss, [(step, step, float(step)) for step in range(100)])
    outside_snapshot(monkeypatch).append(lambda: store.flush(committed.run.pk))
    assert committed.flush() == 0
    assert committed.steps(loss) == list(range(100))
    assert attribute(loss).count == 100


@pytest.mark.django_db(transaction=True)
def test_a_series_deleted_while_its_flush_is_prepared_does_not_come_back(
    committed: Recorder, loss: SeriesKey, monkeypatch: pytest.MonkeyPatch
):
    committed.log(loss, [(None, 1, 1.0)])
    outside_snapshot(monkeypatch).append(lambda: store.delete(committed.run.pk, [loss.definition_id]))
    committed.flush()
    assert committed.points(loss) == []
    assert attribute(loss).count == 0


@pytest.mark.django_db(transaction=True)
def test_a_flush_that_always_loses_takes_the_lock_in_the_end(
    committed: Recorder, loss: SeriesKey, monkeypatch: pytest.MonkeyPatch
):
    committed.log(loss, [(None, 1, 1.0)])

    def overtake() -> None:
        Run.objects.filter(pk=committed.run.pk).update(flush_count=Run.objects.get().flush_count + 1)

    outside_snapshot(monkeypatch).extend([overtake] * flushing.ATTEMPTS)
    assert committed.flush() == 1
    assert committed.unflushed() == 0


@pytest.mark.django_db(transaction=True)
def test_a_run_purged_while_its_flush_is_prepared_leaves_nothing(
    committed: Recorder, loss: SeriesKey, monkeypatch: pytest.MonkeyPatch
):
    committed.log(loss, [(None, 1, 1.0)])
    outside_snapshot(monkeypatch).append(lambda: committed.run.delete())
    assert committed.flush() == 0
    assert not Chunk.objects.exists()
    assert not BatchLog.objects.exists()


def outside_snapshot(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What is put into the list happens, one each time, after a flush was prepared and before it is written."""
    waiting: list[Callable[[], object]] = []
    write = flushing._Work.write

    def interrupted(work: flushing._Work) -> bool:
        if waiting and not connection.in_atomic_block:
            waiting.pop(0)()
        return write(work)

    monkeypatch.setattr("runs.series.flush._Work.write", interrupted)
    return waiting


def test_a_damaged_chunk_is_kept_aside_when_late_points_fall_into_it(recorder: Recorder, loss: SeriesKey, caplog):
    recorder.log(loss, [(step, step, float(step)) for step in range(20_000)])
    recorder.flush()
    damaged = damage(1)
    recorder.log(loss, [(10_000, 5, -7.0), (8192, 6, 3.0)])
    before = store.summaries(recorder.run.pk)[loss.definition_id]
    recorder.flush()
    expected = [*range(8192), 8192, 10_000, *range(16_384, 20_000)]
    assert recorder.steps(loss) == expected
    kept = DamagedChunk.objects.get()
    assert (bytes(kept.data), kept.first_step, kept.point_count) == (damaged, 8192, 8192)
    assert (attribute(loss).count, attribute(loss).minimum) == (len(expected), -7.0)
    after = store.summaries(recorder.run.pk)[loss.definition_id]
    assert (after.count, after.minimum, after.maximum) == (before.count, before.minimum, before.maximum)
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        recorder.log(loss, [(9000, 5, 1.0)])
        recorder.flush()
        recorder.steps(loss)
    assert caplog.text == ""


def test_a_damaged_chunk_is_kept_aside_when_its_series_grows(recorder: Recorder, loss: SeriesKey, caplog):
    recorder.log(loss, [(None, 1, 5.0)] * 30)
    recorder.flush()
    damaged = damage(0)
    recorder.log(loss, [(None, 2, 1.0)] * 30)
    recorder.flush()
    assert recorder.steps(loss) == list(range(30, 60))
    assert bytes(DamagedChunk.objects.get().data) == damaged
    assert (attribute(loss).count, attribute(loss).maximum, attribute(loss).last_step) == (30, 1.0, 59)
    assert caplog.text.count("is damaged") == 1


def damage(position: int) -> bytes:
    chunk = Chunk.objects.order_by("first_step")[position]
    data = bytes(chunk.data)[:-1] + bytes([bytes(chunk.data)[-1] ^ 255])
    Chunk.objects.filter(pk=chunk.pk).update(data=data)
    return data


def test_an_overwritten_series_is_counted_without_reading_its_full_chunks(
    recorder: Recorder, loss: SeriesKey, monkeypatch: pytest.MonkeyPatch
):
    count = 200_000
    values = np.arange(count) % 1000
    recorder.log(loss, list(zip(range(count), range(count), values.tolist(), strict=True)))
    recorder.flush()
    read: list[int] = []
    load = layout.load_data

    def counted(segments: object) -> dict[int, bytes]:
        found = load(segments)  # type: ignore[arg-type]
        read.extend(found)
        return found

    monkeypatch.setattr("runs.series.flush.load_data", counted)
    monkeypatch.setattr("runs.series.summary.load_data", counted)
    recorder.log(loss, [(999, 1, -5.0), (100_000, 1, 5000.0)])
    recorder.flush()
    assert len(read) <= 3  # the two that changed and the open one
    values[999], values[100_000] = -5, 5000
    row = attribute(loss)
    assert (row.count, row.finite_count, row.minimum, row.maximum) == (count, count, -5.0, 5000.0)
    assert (row.total, row.sum_squares) == (values.sum(), (values.astype(float) ** 2).sum())


def test_special_values_are_left_out_of_the_statistics_of_chunks(recorder: Recorder, loss: SeriesKey):
    special = [float("nan"), float("inf"), float("-inf"), 2.0, -3.0]
    recorder.log(loss, [(step, 1, special[step % 5]) for step in range(20_000)])
    recorder.flush()
    recorder.log(loss, [(3, 1, 1.0), (8, 1, float("nan"))])
    recorder.flush()
    row = attribute(loss)
    assert (row.count, row.finite_count, row.minimum, row.maximum) == (20_000, 7999, -3.0, 2.0)
    assert (row.total, row.sum_squares) == (2.0 * 3998 + 1 - 3 * 4000, 4.0 * 3998 + 1 + 9 * 4000)


def test_many_series_are_flushed_in_a_fixed_number_of_statements(
    recorder: Recorder, run: Run, django_assert_max_num_queries
):
    keys = [recorder.define(f"metrics/{number}") for number in range(700)]
    for seq in (1, 2):
        batch = {key.definition_id: floats([(None, seq, float(number))]) for number, key in enumerate(keys)}
        store.append(PointBatch(run.pk, recorder.writer(1), seq, batch))
        with django_assert_max_num_queries(20):
            recorder.flush()
    assert Chunk.objects.count() == len(keys)
    assert [each.values.tolist() for each in store.read(keys, max_points=10)] == [[float(n)] * 2 for n in range(700)]


def test_steps_given_and_missing_in_one_batch_of_many_series(recorder: Recorder, run: Run):
    keys = [recorder.define(f"metrics/{number}") for number in range(4)]
    first = {
        keys[0].definition_id: floats([(None, 1, 0.0), (None, 1, 1.0)]),
        keys[1].definition_id: floats([(5, 1, 0.0), (None, 1, 1.0)]),
        keys[2].definition_id: floats([(0.5, 1, 0.0), (None, 1, 1.0), (None, 2, 2.0)]),
        keys[3].definition_id: floats([(2.0**53, 1, 0.0), (None, 1, 1.0)]),
    }
    store.append(PointBatch(run.pk, recorder.writer(1), 1, first))
    expected = [recorder.steps(key) for key in keys]
    assert expected[:3] == [[0, 1], [5, 6], [0.5, 1.5, 2.5]]
    recorder.flush()
    assert [recorder.steps(key) for key in keys] == expected
    again = {key.definition_id: floats([(None, 3, 3.0)] * 2) for key in keys}
    store.append(PointBatch(run.pk, recorder.writer(1), 2, again))
    expected = [recorder.steps(key) for key in keys]
    recorder.flush()
    assert [recorder.steps(key) for key in keys] == expected
    assert [each[:2] for each in expected[:2]] == [[0, 1], [5, 6]]
    assert len(set(expected[3])) == 4


@pytest.mark.django_db(transaction=True)
def test_flushers_pass_by_a_run_that_another_one_is_at(committed: Recorder, loss: SeriesKey, monkeypatch):
    """On SQLite there is one at a time in any case."""
    committed.log(loss, [(None, 1, 1.0)])
    meanwhile: list[int] = []
    prepare = flushing._prepare

    def interrupted(run_id: int) -> flushing._Work | None:
        work = prepare(run_id)
        if connection.vendor == "postgresql" and not meanwhile:
            meanwhile.append(-1)
            with ThreadPoolExecutor(1) as pool:
                meanwhile[0] = pool.submit(in_another_connection).result()
        return work

    def in_another_connection() -> int:
        try:
            return flush_pending()
        finally:
            connection.close()

    monkeypatch.setattr("runs.series.flush._prepare", interrupted)
    assert flush_pending() == 1
    assert meanwhile == ([0] if connection.vendor == "postgresql" else [])
    assert committed.unflushed() == 0
    assert committed.steps(loss) == [0]
