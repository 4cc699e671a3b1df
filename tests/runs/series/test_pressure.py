"""What happens when more is logged than is flushed."""

from __future__ import annotations

import numpy as np
import pytest

from projects.exceptions import Unavailable
from runs.models import BatchLog, Run
from runs.operations import BatchIdentity, FloatBlock, PointColumns
from runs.series import flush_pending, make_room, pressure, runs_to_flush, store
from runs.series.base import SeriesKey
from runs.services.ingest import apply_points
from runs.services.runs import create_run
from tests.runs.series.conftest import Recorder

WRITER = "6f2c1f5e-6d0c-4b7e-9a51-0d3b2f0a7c11"


@pytest.fixture(autouse=True)
def _fresh_count():
    pressure.log_size.forget()
    yield
    pressure.log_size.forget()


def columns(number: int) -> PointColumns:
    steps, times = np.array([np.nan]), np.array([number], np.int64)
    return PointColumns(FloatBlock(["loss"], [0], [1], steps, times, np.array([float(number)])))


def log(run: Run, seq: int, *, is_numbered: bool = True) -> None:
    identity = BatchIdentity(writer=WRITER, seq=seq) if is_numbered else BatchIdentity(digest=f"{seq:064}")
    apply_points(run, columns(seq), identity=identity)


def unflushed(run: Run) -> int:
    return BatchLog.objects.filter(run=run, point_count__gt=0).count()


@pytest.mark.django_db(transaction=True)
def test_requests_flush_their_run_when_nobody_else_does(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("runs.series.pressure.HELP_FROM", 20)
    for seq in range(1, 101):
        log(run, seq)
    assert unflushed(run) < 20 + 16 + 1
    assert store.summaries(run.pk).popitem()[1].count == 100


def test_requests_help_earlier_while_the_log_is_full(recorder: Recorder, loss: SeriesKey, monkeypatch):
    for _ in range(18):
        recorder.log(loss, [(None, 1, 1.0)])
    make_room(recorder.run.pk, may_refuse=True)
    assert recorder.unflushed() == 18
    monkeypatch.setattr("runs.series.pressure.LOG_ROWS", 17)
    pressure.log_size.forget()
    make_room(recorder.run.pk, may_refuse=True)
    assert recorder.unflushed() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_numbered", [True, False])
def test_only_who_sends_again_is_refused_when_flushing_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, is_numbered: bool
):
    monkeypatch.setattr("runs.series.pressure.HELP_FROM", 16)
    monkeypatch.setattr("runs.series.pressure.REFUSE_FROM", 40)
    log(run, 1, is_numbered=is_numbered)
    BatchLog.objects.filter(run=run).update(payload=b"\xff" * 16)  # of a version that does not exist
    refused = 0
    for seq in range(2, 102):
        try:
            log(run, seq, is_numbered=is_numbered)
        except Unavailable as refusal:
            refused += refusal.details["retry_after"] > 0
    assert (refused > 0) is is_numbered
    assert unflushed(run) + refused == 101


def test_a_run_that_cannot_be_flushed_does_not_hold_up_the_others(recorder: Recorder, loss: SeriesKey, project):
    recorder.log(loss, [(None, 1, 1.0)])
    BatchLog.objects.update(payload=b"\xff" * 16)
    other = Recorder(create_run(project=project, owner=None)[0])
    key = other.define("metrics/loss")
    other.log(key, [(None, 1, 1.0)])
    assert runs_to_flush(10) == [recorder.run.pk, other.run.pk]
    assert flush_pending() == 1
    assert runs_to_flush(10) == [recorder.run.pk]


def test_a_busy_run_gives_way_to_the_others(recorder: Recorder, loss: SeriesKey, project, monkeypatch):
    monkeypatch.setattr("runs.series.flush.SLICE_ROWS", 2)
    for _ in range(40):
        recorder.log(loss, [(None, 1, 1.0)])
    other = Recorder(create_run(project=project, owner=None)[0])
    other.log(other.define("metrics/loss"), [(None, 1, 1.0)])
    flush_pending()
    assert recorder.unflushed() == 40 - 2 * 8
    assert other.unflushed() == 0
    assert runs_to_flush(10) == [recorder.run.pk]


def test_time_that_is_up_ends_a_round(recorder: Recorder, loss: SeriesKey, project):
    for number in range(3):
        other = Recorder(create_run(project=project, owner=None, custom_id=str(number))[0])
        other.log(other.define("metrics/loss"), [(None, 1, 1.0)])
    assert flush_pending(seconds=0) == 1
    assert len(runs_to_flush(10)) == 2
