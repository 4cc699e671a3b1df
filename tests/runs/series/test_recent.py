"""What a process remembers of the log: readers see exactly what is stored, whatever was read before."""

from __future__ import annotations

import random

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from runs.models import Run
from runs.series import payload, store
from runs.series import recent as module
from runs.series.base import PointBatch, SeriesKey
from runs.series.points import Points
from runs.series.recent import Part, Recent, RecentLogs
from tests.runs.series.conftest import Recorder, floats

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> RecentLogs:
    """Nothing is remembered from other tests, whose runs had the same ids."""
    logs = RecentLogs()
    monkeypatch.setattr(module, "recent_logs", logs)
    return logs


def log(recorder: Recorder, points: dict[SeriesKey, list[tuple[float | None, int, float]]]) -> None:
    with transaction.atomic():
        recorder.append(
            PointBatch(
                recorder.run.pk,
                recorder.writer(1),
                recorder._seq(None),
                {key.definition_id: floats(each) for key, each in points.items()},
            )
        )


def decoded_rows(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    rows: list[bytes] = []
    decode = payload.float_block
    monkeypatch.setattr(payload, "float_block", lambda data: rows.append(data) or decode(data))
    return rows


def test_a_row_of_the_log_is_decoded_once_however_many_series_and_readings(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
):
    keys = [recorder.define(f"m/{n}") for n in range(30)]
    rows = decoded_rows(monkeypatch)
    for step in range(5):
        log(recorder, {key: [(None, step, float(step))] for key in keys})
        for key in keys:
            assert recorder.values(key) == [float(n) for n in range(step + 1)]
    assert len(rows) == 5


def test_what_a_flush_took_away_is_not_seen_twice(recorder: Recorder, loss: SeriesKey):
    log(recorder, {loss: [(None, 1, 1.0), (None, 2, 2.0)]})
    assert recorder.values(loss) == [1.0, 2.0]
    with transaction.atomic():
        recorder.flush()
    assert recorder.values(loss) == [1.0, 2.0]
    log(recorder, {loss: [(None, 3, 3.0)]})
    assert recorder.values(loss) == [1.0, 2.0, 3.0]


def test_a_deleted_series_stays_away(recorder: Recorder, loss: SeriesKey):
    other = recorder.define("other")
    log(recorder, {loss: [(None, 1, 1.0)], other: [(None, 1, 5.0)]})
    assert recorder.values(loss) == [1.0]
    with transaction.atomic():
        store.delete(recorder.run.pk, [loss.definition_id])
    assert (recorder.values(loss), recorder.values(other)) == ([], [5.0])


def test_what_is_not_committed_is_remembered_by_nobody(recorder: Recorder, loss: SeriesKey):
    with transaction.atomic():
        recorder.log(loss, [(None, 1, 1.0)])
        assert recorder.values(loss) == [1.0]
        transaction.set_rollback(True)
    assert recorder.values(loss) == []
    log(recorder, {loss: [(None, 2, 2.0)]})
    assert recorder.values(loss) == [2.0]


def test_any_order_of_logging_flushing_and_reading_gives_what_is_stored(recorder: Recorder, fresh: RecentLogs):
    chance = random.Random(11)  # noqa: S311 - the same every time
    fresh.max_bytes = 4000
    keys = [recorder.define(f"m/{n}") for n in range(3)]
    expected: dict[SeriesKey, dict[float, float]] = {key: {} for key in keys}
    for number in range(150):
        what = chance.random()
        if what < 0.6:
            points: dict[SeriesKey, list[tuple[float | None, int, float]]] = {
                key: [(float(chance.randrange(200)), number, chance.random()) for _ in range(chance.randrange(1, 12))]
                for key in chance.sample(keys, chance.randrange(1, 4))
            }
            log(recorder, points)
            for key, each in points.items():
                expected[key].update({step or 0.0: value for step, _, value in each})
        elif what < 0.7:
            with transaction.atomic():
                recorder.flush()
        for key in chance.sample(keys, 2):
            assert dict(zip(recorder.steps(key), recorder.values(key), strict=True)) == dict(
                sorted(expected[key].items())
            )


def test_memory_is_bounded_and_the_runs_read_longest_ago_go_first():
    logs = RecentLogs(max_bytes=1000)
    part = Part(
        np.zeros(10, np.int64), np.zeros(10, np.int64), Points(np.zeros(10), np.zeros(10, np.int64), np.zeros(10))
    )
    for run_id in range(5):
        logs.put(run_id, Recent(0, 1, (part,)))
        logs.get(0, 0)
    assert [run_id for run_id in range(5) if logs.get(run_id, 0).parts] == [0, 4]
    logs.put(9, Recent(0, 1, (part,) * 3))
    assert not logs.get(9, 0).parts


def test_thirty_charts_that_refresh_ask_for_new_rows_once(recorder: Recorder, run: Run):
    keys = [recorder.define(f"m/{n}") for n in range(30)]
    log(recorder, {key: [(None, 1, 1.0)] for key in keys})
    cursors = [found.cursor for found in store.read(keys, max_points=10)]
    log(recorder, {key: [(None, 2, 2.0)] for key in keys})
    with CaptureQueriesContext(connection) as queries:
        added = store.read_since(list(zip(keys, cursors, strict=True)), max_points=10)
    assert [each.values.tolist() for each in added if each] == [[2.0]] * 30
    assert len(queries) == 5  # begin, attributes, log, chunks, commit
