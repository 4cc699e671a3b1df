"""The store against a plain dictionary, under random operations."""

from __future__ import annotations

import math
import uuid
from typing import Any, TypeAlias

import numpy as np
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.models import Project
from runs.models import Run
from runs.series import store
from runs.series.base import PointBatch, SeriesKey
from runs.services.runs import create_run
from tests.runs.series.conftest import Line, Point, Recorder, floats, strings

Value: TypeAlias = float | str
Series: TypeAlias = dict[float, tuple[int, Value]]

steps = st.one_of(st.none(), st.none(), st.integers(-3, 12).map(float), st.sampled_from([0.5, 2.25, 1e9, -0.0]))
values = st.one_of(
    st.floats(), st.sampled_from([math.nan, -math.nan, math.inf, -math.inf, 0.0, -0.0, 1.7e308, 5e-324, 1.0])
)
float_points = st.lists(st.tuples(steps, st.integers(0, 20), values), min_size=1, max_size=6)
lines = st.lists(
    st.tuples(steps, st.integers(0, 20), st.text(st.characters(codec=None), max_size=5)), min_size=1, max_size=4
)
operations = st.one_of(
    st.tuples(st.just("append"), st.sampled_from([1, 2]), st.integers(0, 1), float_points, lines),
    st.tuples(st.just("append"), st.sampled_from([1, 2]), st.integers(0, 1), float_points, lines),
    st.tuples(st.just("skip"), st.sampled_from([1, 2])),
    st.tuples(st.just("resend"), st.integers(0, 20)),
    st.tuples(st.just("flush")),
    st.tuples(st.just("delete"), st.integers(0, 1)),
    st.tuples(st.just("check"), st.integers(0, 3)),
)


class Model:
    """What the store must hold."""

    def __init__(self) -> None:
        self.series: dict[SeriesKey, Series] = {}

    def append(self, key: SeriesKey, points: list[Point] | list[Line]) -> None:
        series = self.series.setdefault(key, {})
        for step, timestamp, value in points:
            if step is None:
                step = max(series) + 1 if series else 0.0
            series[step + 0.0] = (timestamp, value)

    def points(self, key: SeriesKey) -> list[tuple[float, int, object]]:
        series = self.series.get(key, {})
        return [(step, series[step][0], _exact(series[step][1])) for step in sorted(series)]


def _exact(value: Value) -> object:
    return value if isinstance(value, str) else int(np.float64(value).view(np.int64))


class Play:
    """Applies one operation after the other to the store and to the model, and compares."""

    def __init__(self, run: Run) -> None:
        self.recorder = Recorder(run)
        self.model = Model()
        self.floats = [self.recorder.define(f"float/{number}") for number in range(2)]
        self.strings = [self.recorder.define_text(f"string/{number}") for number in range(2)]
        self.sent: list[PointBatch] = []
        self.seqs = {1: 0, 2: 0}
        self.last_batch: dict[int, int] = {}

    def append(self, writer: int, series: int, points: list[Point], text: list[Line]) -> None:
        self.seqs[writer] += 1
        batch = PointBatch(
            self.recorder.run.pk,
            self.recorder.writer(writer),
            self.seqs[writer],
            {self.floats[series].definition_id: floats(points)},
            {self.strings[series].definition_id: strings(text)},
        )
        self.sent.append(batch)
        assert store.append(batch).point_count == len(points) + len(text)
        self.model.append(self.floats[series], points)
        self.model.append(self.strings[series], text)

    def skip(self, writer: int) -> None:
        self.seqs[writer] += 1

    def resend(self, which: int) -> None:
        if self.sent:
            assert store.append(self.sent[which % len(self.sent)]).point_count == 0

    def flush(self) -> None:
        store.flush(self.recorder.run.pk)

    def delete(self, series: int) -> None:
        store.delete(self.recorder.run.pk, [self.floats[series].definition_id])
        self.model.series.pop(self.floats[series], None)

    def check(self, _: int = 0) -> None:
        summaries = store.summaries(self.recorder.run.pk)
        for key in self.floats:
            assert self.recorder.points(key) == self.model.points(key)
            self._check_summary(key, summaries[key.definition_id])
            page = store.read_page(key, offset=1, limit=3)
            assert page.steps.tolist() == [step for step, _, _ in self.model.points(key)[1:4]]
        for key in self.strings:
            assert self.recorder.lines(key) == self.model.points(key)
            assert summaries[key.definition_id].count == len(self.model.points(key))

    def _check_summary(self, key: SeriesKey, summary: object) -> None:
        points = self.model.points(key)
        found = [value for _, value in self.model.series.get(key, {}).values()]
        finite = [value for value in found if isinstance(value, float) and math.isfinite(value)]
        assert (summary.count, summary.finite_count) == (len(points), len(finite))  # type: ignore[attr-defined]
        assert (summary.minimum, summary.maximum) == (  # type: ignore[attr-defined]
            min(finite, default=None),
            max(finite, default=None),
        )
        if points:
            assert (summary.last_step, summary.last_ms) == points[-1][:2]  # type: ignore[attr-defined]
            last = self.model.series[key][points[-1][0]][1]
            assert np.array_equal(summary.last, last, equal_nan=True)  # type: ignore[attr-defined]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(play=st.lists(operations, max_size=16))
def test_the_store_is_a_dictionary(project: Project, play: list[tuple[Any, ...]]):
    with transaction.atomic():
        game = Play(create_run(project=project, owner=None, custom_id=uuid.uuid4().hex)[0])
        for name, *arguments in play:
            getattr(game, name)(*arguments)
        game.check()
        game.flush()
        game.check()
        transaction.set_rollback(True)


chain = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 3), st.sampled_from([0.0, 1.0, math.nan])), min_size=1, max_size=40
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(queue=chain, sizes=st.lists(st.integers(3, 12), min_size=20, max_size=20), data=st.data())
def test_a_queue_sent_again_from_any_batch_is_stored_once(
    project: Project, queue: list[tuple[int, int, float]], sizes: list[int], data
):
    """From a batch's beginning, cut elsewhere, first a few points and then all. Time moves on within every batch, as it
    does for real ones; see runs/series/repeats.py."""
    with transaction.atomic():
        recorder = Recorder(create_run(project=project, owner=None, custom_id=uuid.uuid4().hex)[0])
        keys = [recorder.define(f"series/{number}") for number in range(2)]
        clock = 0
        points: list[tuple[SeriesKey, Point]] = []
        for which, pause, value in queue:
            clock += pause + 1
            points.append((keys[which], (None, clock, value)))
        _send(recorder, points, sizes, data)
        begin = sum(sizes[: data.draw(st.integers(0, 3))])
        shorter = data.draw(st.integers(3, 12))
        _send(recorder, points[begin : begin + shorter], [shorter], data)
        _send(recorder, points[begin:], [len(points)], data)
        for key in keys:
            expected = [(timestamp, _exact(value)) for found, (_, timestamp, value) in points if found == key]
            assert [each[1:] for each in recorder.points(key)] == expected
            assert recorder.steps(key) == list(range(len(expected)))
        transaction.set_rollback(True)


def _send(recorder: Recorder, points: list[tuple[SeriesKey, Point]], sizes: list[int], data) -> None:
    start = 0
    for size in sizes:
        batch: dict[SeriesKey, list[Point]] = {}
        for key, point in points[start : start + size]:
            batch.setdefault(key, []).append(point)
        if batch:
            recorder.send(dict(batch))
        if data.draw(st.booleans()):
            recorder.flush()
        start += size
