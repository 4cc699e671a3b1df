"""Reading float series for charts: a range of points, few enough to draw, and what came since."""

from __future__ import annotations

import math
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runs.series.base import Axis, SeriesKey, SeriesSlice
from runs.series.curves import Curve, Since, load_points, open_curves
from runs.series.drawing import Chart, Window, draw
from runs.series.points import Points, joined, no_points
from runs.series.snapshot import snapshot


def read(
    keys: Sequence[SeriesKey],
    max_points: int,
    first: float | None,
    last: float | None,
    axis: Axis,
    starts: Mapping[int, int],
) -> list[SeriesSlice]:
    """See SeriesStore.read."""
    low, high = -math.inf if first is None else first, math.inf if last is None else last
    with snapshot():
        curves = open_curves(keys)
        charts = [
            Chart(curve, _window(low, high, axis, _origin(curve, starts)), max_points) for curve in curves.values()
        ]
        slices = {chart.curve.key: _drawn(chart, points) for chart, points in draw(charts)}
    return [slices[key] if key in slices else _slice(key, no_points(), 0, "") for key in keys]


def _origin(curve: Curve, starts: Mapping[int, int]) -> int:
    """Where relative time begins."""
    known = [starts.get(curve.key.run_id), curve.least_ms]
    return min((each for each in known if each is not None), default=0)


def _window(low: float, high: float, axis: Axis, origin: int) -> Window:
    shift = origin if axis is Axis.RELATIVE else 0
    return Window(low + shift, high + shift, axis, origin)


def _drawn(chart: Chart, points: Points) -> SeriesSlice:
    return _slice(chart.curve.key, points, chart.total, str(Cursor.at_end(chart.curve)), chart.window.origin)


def _slice(key: SeriesKey, points: Points, total: int, cursor: str, origin: int = 0) -> SeriesSlice:
    is_exact = len(points) == total
    return SeriesSlice(key, points.steps, points.timestamps, points.values, total, is_exact, cursor, origin)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader has read: `count` points, the last of them at `last_step` with timestamp `last_ms`, when the log
    had rows up to `position`."""

    position: int = 0
    count: int = 0
    last_step: float = -np.inf
    last_ms: int = 0

    @staticmethod
    def at_end(curve: Curve) -> Cursor:
        if curve.end is None:
            return Cursor(curve.position)
        return Cursor(curve.position, curve.count, *curve.end)

    @staticmethod
    def parse(text: str) -> Cursor | None:
        """The cursor that `str` gave, None if it is no such text."""
        try:
            cursor = Cursor(*_CURSOR.unpack(urlsafe_b64decode(text.encode())))
        except (ValueError, struct.error):
            return None
        return None if math.isnan(cursor.last_step) else cursor

    def __str__(self) -> str:
        return urlsafe_b64encode(_CURSOR.pack(self.position, self.count, self.last_step, self.last_ms)).decode()


_CURSOR = struct.Struct("<qqdq")


def read_since(wanted: Sequence[tuple[SeriesKey, str]], max_points: int) -> list[SeriesSlice | None]:
    """See SeriesStore.read_since."""
    cursors = [(key, text, Cursor.parse(text)) for key, text in wanted]
    since: dict[SeriesKey, Since] = {}
    for key, _, cursor in cursors:
        if cursor is not None:
            before = since.get(key, Since(cursor.last_step, cursor.position))
            since[key] = Since(min(before.step, cursor.last_step), min(before.position, cursor.position))
    with snapshot():
        curves = open_curves(since, since)
        tails = [_Added(curves[key], cursor) if key in curves and cursor else None for key, _, cursor in cursors]
        stored = load_points({pk for tail in tails if tail for pk in tail.ids(max_points)})
    return [
        tail.slice(stored, max_points) if tail else _never_read(key, text, cursor)
        for (key, text, cursor), tail in zip(cursors, tails, strict=True)
    ]


def _never_read(key: SeriesKey, text: str, cursor: Cursor | None) -> SeriesSlice | None:
    """A series that does not exist has nothing new for who has read nothing of it."""
    return _slice(key, no_points(), 0, text) if cursor is not None and not cursor.count else None


class _Added:
    """What came to a series after a cursor."""

    def __init__(self, curve: Curve, cursor: Cursor) -> None:
        self.curve = curve
        self.cursor = cursor
        self.is_changed = self._has_changed()
        is_new = curve.chunks.last_steps >= cursor.last_step
        self.places = [] if self.is_changed else np.flatnonzero(is_new & curve.plain).tolist()

    def _has_changed(self) -> bool:
        """Whether a point came at or before the last one read."""
        table, cursor = self.curve.chunks, self.cursor
        if bool(np.any((table.generations > cursor.position) & (table.first_steps <= cursor.last_step))):
            return True
        first = self.curve.tail.first_step_after(cursor.position)
        return first is not None and first <= cursor.last_step

    def ids(self, max_points: int) -> list[int]:
        """The chunks that hold the point at the cursor and as many after it as may be returned."""
        ids, count = [], -int(self.curve.chunks.counts[self.places[0]]) if self.places else 0
        for place in self.places:
            if count > max_points:
                break
            ids.append(int(self.curve.chunks.ids[place]))
            count += int(self.curve.chunks.counts[place])
        return ids

    def slice(self, stored: Mapping[int, Points], max_points: int) -> SeriesSlice | None:
        """The points after the cursor, if the point at it and the number of those before are what they were."""
        if self.is_changed:
            return None
        curve, cursor = self.curve, self.cursor
        ids = [int(curve.chunks.ids[place]) for place in self.places]
        unread = sum(
            int(curve.chunks.counts[place]) for place, pk in zip(self.places, ids, strict=True) if pk not in stored
        )
        parts = [stored[pk] for pk in ids if pk in stored] + [each for each in curve.loose if len(each)]
        parts.sort(key=lambda part: float(part.steps[0]) if len(part) else np.inf)
        points = joined(parts) if parts else no_points()
        points = points[points.steps >= cursor.last_step]
        if cursor.count:
            if not len(points) or points.steps[0] != cursor.last_step or points.timestamps[0] != cursor.last_ms:
                return None
            points = points[1:]
        total = len(points) + unread
        if curve.count != cursor.count + total:
            return None
        return self._slice(points[: max(max_points, 0)], total)

    def _slice(self, returned: Points, total: int) -> SeriesSlice:
        cursor = self.cursor
        position = max(self.curve.position, cursor.position)
        end = Cursor(position, cursor.count, cursor.last_step, cursor.last_ms)
        if len(returned):
            end = Cursor(
                position, cursor.count + len(returned), float(returned.steps[-1]), int(returned.timestamps[-1])
            )
        return _slice(self.curve.key, returned, total, str(end))
