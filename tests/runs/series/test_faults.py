"""The whole way of points against a plain dictionary, while it breaks down at every place where it can.

Several writers and sessions log to a run, points come late, twice, without steps; batches are sent again; series are
cleared and deleted; flushes overtake one another. Every operation is broken off before each of its statements, and
after each that commits, as if its process had died; each time all that was stored must be there, and nothing else. Then
it is done again, as a client or the flusher would.
"""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pytest
from django.db import connection

from runs.models import Attribute, AttributeDefinition, AttributeKind, BatchLog, Chunk, DamagedChunk, Run
from runs.models.attribute import ValueFlag
from runs.operations import (
    BatchIdentity,
    ClearSeries,
    DeleteAttribute,
    FloatBlock,
    IngestResult,
    PointColumns,
    TextBlock,
)
from runs.series import flush as flushing
from runs.series import store
from runs.series.base import SeriesKey
from runs.services.ingest import apply_operations, apply_points

SEEDS = range(2)
OPERATIONS = 13
FLOATS, TEXTS = ["loss", "accuracy", "gauge"], ["stdout"]

Value: TypeAlias = float | str
Series: TypeAlias = dict[float, tuple[int, Value]]
Stored: TypeAlias = dict[str, Series]


class Death(BaseException):
    """The process is gone: nothing may catch this and go on."""


class Fault:
    """Dies at a place given by its number: before a statement, or after one that committed."""

    def __init__(self, place: int) -> None:
        self.left = place
        self.has_struck = False

    def pass_by(self) -> None:
        self.left -= 1
        if not self.left:
            self.has_struck = True
            raise Death

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.pass_by()
        result = execute(*arguments)
        if not connection.in_atomic_block:
            self.pass_by()
        return result

    @contextmanager
    def installed(self) -> Iterator[None]:
        commit = connection.commit

        def commit_and_pass() -> None:
            commit()
            self.pass_by()

        connection.commit = commit_and_pass  # type: ignore[method-assign]
        try:
            with connection.execute_wrapper(self):
                yield
        finally:
            del connection.commit


class Game:
    def __init__(self, run: Run, seed: int) -> None:
        self.run = run
        self.random = random.Random(seed)  # noqa: S311
        self.stored: Stored = {}
        self.clock = 1_000
        self.writers = {str(uuid.UUID(int=number + 1)): 0 for number in range(2)}
        self.sessions = [str(uuid.UUID(int=100 + number)) for number in range(2)]
        self.sent: list[tuple[PointColumns, BatchIdentity]] = []
        self.deaths = 0

    # --- what is done -------------------------------------------------------------------------------------------------

    def log(self) -> None:
        columns, change = self._batch()
        if self.random.random() < 0.5:
            writer = self.random.choice(sorted(self.writers))
            self.writers[writer] += self.random.choice([1, 1, 1, 2])  # 2: a batch was refused for good
            identity = BatchIdentity(writer=writer, seq=self.writers[writer])
        else:
            identity = BatchIdentity(digest=uuid.uuid4().hex, session=self.random.choice(self.sessions))
        self.sent.append((columns, identity))
        self._survive(lambda: apply_points(self.run, columns, identity=identity), change)

    def send_again(self) -> None:
        if self.sent:
            columns, identity = self.random.choice(self.sent)
            result = apply_points(self.run, columns, identity=identity)
            assert isinstance(result, IngestResult)
            assert result.is_duplicate
            self.check(self.stored)

    def flush(self) -> None:
        self._survive(lambda: store.flush(self.run.pk), lambda stored: None)

    def clear(self) -> None:
        path = self.random.choice([*FLOATS, *TEXTS])
        kind = AttributeKind.FLOAT_SERIES if path in FLOATS else AttributeKind.STRING_SERIES
        operation = self.random.choice([ClearSeries(path=path, kind=kind), DeleteAttribute(path=path)])
        if path not in self.stored:
            return
        identity = BatchIdentity(digest=uuid.uuid4().hex, session=self.sessions[0])
        self._survive(
            lambda: apply_operations(self.run, [operation], identity=identity),
            lambda stored: stored.pop(path, None),
        )

    def race(self) -> None:
        """Something happens between the preparation of a flush and its writing."""
        meanwhile = self.random.choice([self.log, self.flush, self.clear])
        write = flushing._Work.write

        def overtaken(work: flushing._Work) -> bool:
            flushing._Work.write = write  # type: ignore[method-assign]
            meanwhile()
            return write(work)

        flushing._Work.write = overtaken  # type: ignore[method-assign, assignment]
        try:
            store.flush(self.run.pk)
        finally:
            flushing._Work.write = write  # type: ignore[method-assign]
        self.check(self.stored)

    def _survive(self, operation: Callable[[], object], change: Callable[[Stored], object]) -> None:
        """Do it again and again, dying one place later each time, until it is through."""
        after = {path: dict(series) for path, series in self.stored.items()}
        change(after)
        place = 0
        is_done = False
        while not is_done:
            place += 1 if place < 12 else self.random.randint(1, 4)
            fault = Fault(place)
            try:
                with fault.installed():
                    operation()
                is_done = True
            except BaseException:
                if not fault.has_struck:
                    raise
                self.deaths += 1
                connection.close()
                self.stored = self.check(self.stored, after)
        self.stored = after
        self.check(after)

    # --- what is logged -----------------------------------------------------------------------------------------------

    def _batch(self) -> tuple[PointColumns, Callable[[Stored], None]]:
        floats = {path: self._points() for path in self.random.sample(FLOATS, self.random.randint(1, 3))}
        texts = {path: self._points(is_text=True) for path in TEXTS if self.random.random() < 0.5}

        def change(stored: Stored) -> None:
            for path, points in {**floats, **texts}.items():
                series = stored.setdefault(path, {})
                for step, timestamp, value in points:
                    series[(max(series) + 1 if series else 0.0) if step is None else step] = (timestamp, value)

        return PointColumns(_float_block(floats), _text_block(texts)), change

    def _points(self, *, is_text: bool = False) -> list[tuple[float | None, int, Value]]:
        count = self.random.choice([1, 3, 40, 150])
        way = self.random.choice(["none", "none", "rising", "mixed"])
        start = self.random.choice([0, 50, 200])
        points: list[tuple[float | None, int, Value]] = []
        for position in range(count):
            self.clock += 1
            step = None if way == "none" else float(start + position)
            if way == "mixed":
                step = self.random.choice([None, 0.5, float(self.random.randint(0, 300))])
            special = [math.nan, math.inf, -math.inf, 0.0, 1e300]
            number = self.random.choice(special) if self.random.random() < 0.05 else self.random.gauss(0, 1)
            points.append((step, self.clock, f"line {self.clock} ü" if is_text else number))
        return points

    # --- what must be true --------------------------------------------------------------------------------------------

    def check(self, *possible: Stored) -> Stored:
        """What is stored must be one of these; returns it."""
        found = self._found()
        matching = [each for each in possible if _exact(each) == found]
        assert matching, "the points stored are neither those before nor those after"
        summaries = store.summaries(self.run.pk)
        for path, key in self._keys().items():
            if key.definition_id in summaries:
                series = matching[0].get(path, {})
                summary = summaries[key.definition_id]
                _check_summary(series, summary, summary.last)
        return matching[0]

    def check_at_rest(self) -> None:
        """After a last flush: all is in chunks that don't overlap, and the attribute rows say what is there."""
        store.flush(self.run.pk)
        self.check(self.stored)
        assert not BatchLog.objects.filter(point_count__gt=0).exists()
        assert not DamagedChunk.objects.exists()
        for path, key in self._keys().items():
            chunks = list(Chunk.objects.filter(definition_id=key.definition_id).order_by("first_step"))
            assert sum(chunk.point_count for chunk in chunks) == len(self.stored.get(path, {}))
            assert all(one.last_step < other.first_step for one, other in pairwise(chunks))
            row = Attribute.objects.filter(definition_id=key.definition_id).first()
            if row is not None:
                last = math.nan if row.flags & ValueFlag.NAN else row.number if path in FLOATS else row.text
                _check_summary(self.stored.get(path, {}), row, last)

    def _found(self) -> dict[str, list[tuple[float, int, object]]]:
        found = {}
        for path, key in self._keys().items():
            if path in FLOATS:
                part = store.read([key], max_points=10**6)[0]
                values: list[object] = part.values.view(np.int64).tolist()
                columns = part.steps.tolist(), part.timestamps.tolist(), values
            else:
                page = store.read_strings(key, offset=0, limit=10**6)
                columns = page.steps.tolist(), page.timestamps.tolist(), list(page.values)
            if columns[0]:
                found[path] = list(zip(*columns, strict=True))
        return found

    def _keys(self) -> dict[str, SeriesKey]:
        rows = AttributeDefinition.objects.filter(project_id=self.run.project_id, path__in=[*FLOATS, *TEXTS])
        return {path: SeriesKey(self.run.pk, pk) for path, pk in rows.values_list("path", "pk")}


def _exact(stored: Stored) -> dict[str, list[tuple[float, int, object]]]:
    return {
        path: [(step, series[step][0], _bits(series[step][1])) for step in sorted(series)]
        for path, series in stored.items()
        if series
    }


def _bits(value: Value) -> object:
    return value if isinstance(value, str) else int(np.float64(value).view(np.int64))


def _check_summary(series: Series, summary: Any, last: object) -> None:
    """`summary` is a SeriesSummary or an attribute row."""
    values = [value for _, value in series.values()]
    finite = [value for value in values if isinstance(value, float) and math.isfinite(value)]
    assert (summary.count, summary.finite_count) == (len(values), len(finite))
    assert (summary.minimum, summary.maximum) == (min(finite, default=None), max(finite, default=None))
    assert math.isclose(summary.total, math.fsum(finite), rel_tol=1e-9, abs_tol=1e-6)
    if series:
        step = max(series)
        assert (summary.last_step, summary.last_ms) == (step, series[step][0])
        expected = series[step][1]
        assert last == expected or (isinstance(last, float) and math.isnan(last) and expected != expected)


def _float_block(series: dict[str, list[tuple[float | None, int, Value]]]) -> FloatBlock | None:
    points = [point for each in series.values() for point in each]
    counts = [len(each) for each in series.values()]
    return FloatBlock(
        list(series), list(range(len(series))), counts, *_columns(points), np.array([p[2] for p in points])
    )


def _text_block(series: dict[str, list[tuple[float | None, int, Value]]]) -> TextBlock | None:
    if not series:
        return None
    points = [point for each in series.values() for point in each]
    counts = [len(each) for each in series.values()]
    indexes = list(range(10, 10 + len(series)))
    return TextBlock(list(series), indexes, counts, *_columns(points), [str(point[2]) for point in points])


def _columns(points: list[tuple[float | None, int, Value]]) -> tuple[Any, Any]:
    steps = np.array([math.nan if step is None else step for step, _, _ in points], np.float64)
    return steps, np.array([timestamp for _, timestamp, _ in points], np.int64)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.django_db(transaction=True)
def test_no_death_loses_doubles_or_moves_a_point(run: Run, seed: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("runs.series.chunks.CHUNK_POINTS", 256)
    monkeypatch.setattr("runs.series.growth.CHUNK_POINTS", 256)
    monkeypatch.setattr("runs.series.rewrite.CHUNK_POINTS", 256)
    monkeypatch.setattr("runs.series.rewrite.SMALL", 8)
    monkeypatch.setattr("runs.series.flush.SLICE_ROWS", 3)
    game = Game(run, seed)
    for _ in range(OPERATIONS):
        operations = [game.log, game.log, game.log, game.flush, game.race, game.send_again, game.clear]
        game.random.choices(operations, [3, 3, 2, 3, 2, 1, 0.6])[0]()
    game.check_at_rest()
    assert game.deaths > 40
