"""The tail of a series: its points that lie in the log still, numbered and merged."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from runs.models import BatchLog
from runs.series import payload
from runs.series.base import Integers
from runs.series.numbering import number_steps
from runs.series.points import Points, by_step, joined, no_points

_ROWS_AT_ONCE = 16  # a row is at most about 1 MB


@dataclass(frozen=True, slots=True)
class LogPoints:
    """Points of one series in log order, some without a step; `log_ids` tells for each point the row it came in."""

    points: Points
    log_ids: Integers


@dataclass(frozen=True, slots=True)
class Tail:
    """`points` are ordered by step, each step once. `late_id` is the newest log row with a point at or before a step
    that was there when it came, 0 if there is none. `arrived` has the numbered steps in log order."""

    points: Points
    late_id: int
    arrived: Points
    log_ids: Integers

    def first_step_after(self, log_id: int) -> float | None:
        """The smallest step that came in a later row than this one."""
        steps = self.arrived.steps[self.log_ids > log_id]
        return float(steps.min()) if len(steps) else None


EMPTY = Tail(no_points(), 0, no_points(), np.empty(0, np.int64))


def read_log(run_ids: Collection[int], wanted: Collection[int]) -> dict[tuple[int, int], LogPoints]:
    """The logged points of these series by (run, definition), in the order of the log. One query."""
    rows = BatchLog.objects.filter(run_id__in=run_ids, point_count__gt=0).order_by("id")
    return collect(rows.values_list("run_id", "id", "payload").iterator(chunk_size=_ROWS_AT_ONCE), wanted)


def collect(
    rows: Iterable[tuple[int, int, bytes | memoryview]], wanted: Collection[int] | None = None
) -> dict[tuple[int, int], LogPoints]:
    """Points by (run, definition) from rows of (run, log id, payload)."""
    parts: dict[tuple[int, int], list[tuple[int, Points]]] = {}
    for run_id, log_id, data in rows:
        for definition_id, points in payload.decode(bytes(data), wanted):
            parts.setdefault((run_id, definition_id), []).append((log_id, points))
    return {key: _log_points(series) for key, series in parts.items()}


def _log_points(parts: list[tuple[int, Points]]) -> LogPoints:
    points = joined([points for _, points in parts])
    lengths = [len(points) for _, points in parts]
    return LogPoints(points, np.repeat(np.array([log_id for log_id, _ in parts], np.int64), lengths))


def resolve(logged: LogPoints, last_step: float | None) -> Tail:
    """Number the points and order them. `last_step` is the largest flushed step of the series, None if it has none."""
    steps = number_steps(logged.points.steps, last_step)
    arrived = Points(steps, logged.points.timestamps, logged.points.values)
    before = np.maximum.accumulate(np.concatenate([[-np.inf if last_step is None else last_step], steps]))[:-1]
    late = np.flatnonzero(steps <= before)
    late_id = int(logged.log_ids[late[-1]]) if len(late) else 0
    return Tail(by_step(arrived), late_id, arrived, logged.log_ids)
