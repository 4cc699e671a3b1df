"""A run with series, and a short way to log points to them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from django.db import transaction

from runs.models import Attribute, AttributeDefinition, AttributeKind, BatchLog, ReceivedBatch, Run, Writer
from runs.series import store
from runs.series.base import Appended, Axis, FloatColumns, PointBatch, SeriesKey, SeriesSlice, StringColumns

NONE = float("nan")
Point = tuple[float | None, int, float]
Line = tuple[float | None, int, str]


def floats(points: Iterable[Point]) -> FloatColumns:
    points = list(points)
    return FloatColumns(
        np.array([NONE if step is None else step for step, _, _ in points], np.float64),
        np.array([timestamp for _, timestamp, _ in points], np.int64),
        np.array([value for _, _, value in points], np.float64),
    )


def strings(points: Iterable[Line]) -> StringColumns:
    points = list(points)
    return StringColumns(
        np.array([NONE if step is None else step for step, _, _ in points], np.float64),
        np.array([timestamp for _, timestamp, _ in points], np.int64),
        [value for _, _, value in points],
    )


def bits(value: float) -> int:
    return int(np.float64(value).view(np.int64))


@dataclass
class Recorder:
    """Logs to one run as its clients would. `send` plays the part of a client without batch numbers: it remembers the
    heads of its batches as the ingest does."""

    run: Run
    next_seq: int = 1
    definitions: dict[str, int] = field(default_factory=dict)

    def define(self, path: str, kind: AttributeKind = AttributeKind.FLOAT_SERIES) -> SeriesKey:
        definition, _ = AttributeDefinition.objects.get_or_create(project=self.run.project, path=path, kind=kind)
        Attribute.objects.get_or_create(run=self.run, definition=definition)
        return SeriesKey(self.run.pk, definition.pk)

    def define_text(self, path: str) -> SeriesKey:
        return self.define(path, AttributeKind.STRING_SERIES)

    def writer(self, number: int) -> int:
        return Writer.objects.get_or_create(run=self.run, number=number, defaults={"uuid": uuid.uuid4()})[0].number

    def log(self, key: SeriesKey, points: Sequence[Point], *, writer: int = 1, seq: int | None = None) -> Appended:
        """A numbered batch of one float series."""
        return self.append(
            PointBatch(self.run.pk, self.writer(writer), self._seq(seq), {key.definition_id: floats(points)})
        )

    def log_text(self, key: SeriesKey, points: Sequence[Line], *, writer: int = 1, seq: int | None = None) -> Appended:
        columns = {key.definition_id: strings(points)}
        return self.append(PointBatch(self.run.pk, self.writer(writer), self._seq(seq), strings=columns))

    def send(
        self, points: dict[SeriesKey, Sequence[Point]], lines: dict[SeriesKey, Sequence[Line]] | None = None
    ) -> int:
        """A batch without a number; returns the points that were new."""
        batch = PointBatch(
            self.run.pk,
            0,
            self._seq(None),
            {key.definition_id: floats(each) for key, each in points.items()},
            {key.definition_id: strings(each) for key, each in (lines or {}).items()},
        )
        appended = self.append(batch)
        times = [timestamp for each in (*points.values(), *(lines or {}).values()) for _, timestamp, _ in each]
        ReceivedBatch.objects.create(
            run=self.run,
            digest=uuid.uuid4().hex,
            first_ms=min(times, default=0),
            last_ms=max(times, default=0),
            heads=appended.heads,
        )
        return appended.point_count

    def append(self, batch: PointBatch) -> Appended:
        with transaction.atomic():
            return store.append(batch)

    def _seq(self, seq: int | None) -> int:
        if seq is not None:
            return seq
        self.next_seq += 1
        return self.next_seq - 1

    def flush(self) -> int:
        return store.flush(self.run.pk)

    def unflushed(self) -> int:
        return BatchLog.objects.filter(run=self.run).count()

    def slice(self, key: SeriesKey, **options: object) -> SeriesSlice:
        return store.read([key], **{"max_points": 10_000_000, "axis": Axis.STEP, **options})[0]  # type: ignore[arg-type]

    def points(self, key: SeriesKey) -> list[tuple[float, int, int]]:
        """All points as (step, timestamp, bits of the value)."""
        found = self.slice(key)
        assert found.is_exact
        return list(
            zip(found.steps.tolist(), found.timestamps.tolist(), found.values.view(np.int64).tolist(), strict=True)
        )

    def steps(self, key: SeriesKey) -> list[float]:
        return self.slice(key).steps.tolist()

    def values(self, key: SeriesKey) -> list[float]:
        return self.slice(key).values.tolist()

    def lines(self, key: SeriesKey) -> list[tuple[float, int, str]]:
        page = store.read_strings(key, offset=0, limit=1_000_000)
        return list(zip(page.steps.tolist(), page.timestamps.tolist(), page.values, strict=True))


@pytest.fixture
def recorder(run: Run) -> Recorder:
    return Recorder(run)


@pytest.fixture
def loss(recorder: Recorder) -> SeriesKey:
    return recorder.define("metrics/loss")


@pytest.fixture
def stdout(recorder: Recorder) -> SeriesKey:
    return recorder.define_text("monitoring/stdout")
