"""The tail of a series: its points that lie in the log still, numbered and merged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
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
    blocks: dict[tuple[int, bool], list[tuple[int, payload.Block]]] = {}
    for run_id, log_id, data in rows:
        for block in payload.decode(bytes(data), wanted):
            blocks.setdefault((run_id, block.points.is_text), []).append((log_id, block))
    found: dict[tuple[int, int], LogPoints] = {}
    for (run_id, _), each in blocks.items():
        found.update(((run_id, pk), series) for pk, series in _by_definition(each))
    return found


@dataclass(frozen=True, slots=True)
class LogColumns:
    """Points of several series, series after series and each in log order: those of series number i are at `bounds[i]`
    to `bounds[i + 1] - 1`. The series are ordered by definition id."""

    definition_ids: Integers
    bounds: Integers
    points: Points
    log_ids: Integers

    def series(self, number: int) -> LogPoints:
        start, end = int(self.bounds[number]), int(self.bounds[number + 1])
        return LogPoints(self.points[start:end], self.log_ids[start:end])


def in_columns(blocks: Sequence[tuple[int, payload.Block]]) -> LogColumns:
    """The points of blocks (one at least, all floats or all text) with the ids of their log rows. One stable sort is
    far cheaper than taking every block apart."""
    definition_ids = np.concatenate([block.definition_ids for _, block in blocks])
    lengths = [len(block.points) for _, block in blocks]
    log_ids = np.repeat(np.array([log_id for log_id, _ in blocks], np.int64), lengths)
    order = np.argsort(definition_ids, kind="stable")
    definition_ids = definition_ids[order]
    points = joined([block.points for _, block in blocks])[order]
    bounds = np.flatnonzero(np.diff(definition_ids, prepend=-1, append=-1))
    return LogColumns(definition_ids[bounds[:-1]], bounds, points, log_ids[order])


def _by_definition(blocks: list[tuple[int, payload.Block]]) -> Iterator[tuple[int, LogPoints]]:
    columns = in_columns(blocks)
    for number, definition_id in enumerate(columns.definition_ids.tolist()):
        yield definition_id, columns.series(number)


def resolve(logged: LogPoints, last_step: float | None) -> Tail:
    """Number the points and order them. `last_step` is the largest flushed step of the series, None if it has none."""
    steps = number_steps(logged.points.steps, last_step)
    arrived = Points(steps, logged.points.timestamps, logged.points.values)
    before = np.maximum.accumulate(np.concatenate([[-np.inf if last_step is None else last_step], steps]))[:-1]
    late = np.flatnonzero(steps <= before)
    late_id = int(logged.log_ids[late[-1]]) if len(late) else 0
    return Tail(by_step(arrived), late_id, arrived, logged.log_ids)
