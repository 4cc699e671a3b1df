"""Reading float series for charts: a range of points, few enough to draw, and what came since."""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from runs.series.base import SeriesKey, SeriesSlice
from runs.series.drawing import Chart, Window
from runs.series.layout import load_data, read_rollups
from runs.series.opened import OpenSeries, open_series
from runs.series.points import Points, no_points
from runs.series.rollups import COARSE, FINE
from runs.series.snapshot import snapshot

POINTS_AT_ONCE = 2_000_000


def read(keys: Sequence[SeriesKey], window: Window, max_points: int) -> list[SeriesSlice]:
    with snapshot():
        opened = open_series(keys, is_text=False)
        slices = dict(_charts(opened, window, max_points))
    return [slices.get(key) or _slice(key, no_points(), 0, "") for key in keys]


def _charts(
    opened: dict[SeriesKey, OpenSeries], window: Window, max_points: int
) -> Iterator[tuple[SeriesKey, SeriesSlice]]:
    for group in _groups(opened, window):
        charts = [Chart(opened[key], window, max_points) for key in group]
        data = load_data(segment for chart in charts for segment in chart.decoded)
        coarse, fine = (
            read_rollups([pk for chart in charts for pk in chart.ids(block)], block) for block in (COARSE, FINE)
        )
        for key, chart in zip(group, charts, strict=True):
            points, total = chart.draw(data, {**coarse, **fine})
            yield key, _slice(key, points, total, str(Cursor.at_end(opened[key])))


def _groups(opened: dict[SeriesKey, OpenSeries], window: Window) -> Iterator[list[SeriesKey]]:
    """The series in groups that fit into memory."""
    group: list[SeriesKey] = []
    count = 0
    for key, series in opened.items():
        size = sum(segment.chunk.point_count for segment in series.segments if segment.chunk and window.meets(segment))
        if group and count + size > POINTS_AT_ONCE:
            yield group
            group, count = [], 0
        group.append(key)
        count += size
    if group:
        yield group


def _slice(key: SeriesKey, points: Points, total: int, cursor: str) -> SeriesSlice:
    return SeriesSlice(
        key, points.steps, points.timestamps, points.values, total, is_exact=len(points) == total, cursor=cursor
    )


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader has read: `count` points, the last of them at `last_step` with timestamp `last_ms`, when the log
    had rows up to `position`."""

    position: int = 0
    count: int = 0
    last_step: float = -np.inf
    last_ms: int = 0

    @staticmethod
    def at_end(series: OpenSeries) -> Cursor:
        summary = series.summary()
        if summary.last_step is None or summary.last_ms is None:
            return Cursor(series.position)
        return Cursor(series.position, summary.statistics.count, summary.last_step, summary.last_ms)

    @staticmethod
    def parse(text: str) -> Cursor | None:
        """The cursor that `str` gave, None if it is no such text."""
        try:
            return Cursor(*_CURSOR.unpack(urlsafe_b64decode(text.encode())))
        except (ValueError, struct.error):
            return None

    def __str__(self) -> str:
        return urlsafe_b64encode(_CURSOR.pack(self.position, self.count, self.last_step, self.last_ms)).decode()


_CURSOR = struct.Struct("<qqdq")


def read_since(key: SeriesKey, text: str, max_points: int) -> SeriesSlice | None:
    cursor = Cursor.parse(text)
    if cursor is None:
        return None
    with snapshot():
        series = open_series([key], is_text=False).get(key)
        if series is None:
            return None if cursor.count else _slice(key, no_points(), 0, text)
        if _has_changed(series, cursor):
            return None
        points = series.load(series.from_step(cursor.last_step))
        count = series.summary().statistics.count
    return _added(key, points[points.steps >= cursor.last_step], cursor, count, series.position, max_points)


def _has_changed(series: OpenSeries, cursor: Cursor) -> bool:
    """Whether a point came at or before the last one read."""
    if any(chunk.generation > cursor.position and chunk.first_step <= cursor.last_step for chunk in series.chunks):
        return True
    first = series.tail.first_step_after(cursor.position)
    return first is not None and first <= cursor.last_step


def _added(
    key: SeriesKey, points: Points, cursor: Cursor, count: int, position: int, max_points: int
) -> SeriesSlice | None:
    """The points after the cursor, if the point at it and the number of those before are what they were."""
    if cursor.count:
        if not len(points) or points.steps[0] != cursor.last_step or points.timestamps[0] != cursor.last_ms:
            return None
        points = points[1:]
    if count != cursor.count + len(points):
        return None
    returned = points[: max(max_points, 0)]
    position = max(position, cursor.position)
    end = Cursor(position, cursor.count, cursor.last_step, cursor.last_ms)
    if len(returned):
        end = Cursor(position, cursor.count + len(returned), float(returned.steps[-1]), int(returned.timestamps[-1]))
    return _slice(key, returned, len(points), str(end))
