"""The logged points of runs, decoded once and remembered while the log only grows.

A page that refreshes thirty charts of a run that logs fast would otherwise decode every row of the log thirty times.
What is remembered of a run holds as long as its `flush_count` is the same, since only a flush takes rows away, and is
continued with the rows that have come since: ids of rows rise in the order of commits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock

import numpy as np

from projects.rows import fetch
from runs.models import BatchLog
from runs.series import payload
from runs.series.base import Integers
from runs.series.points import Points, joined
from runs.series.snapshot import is_writing
from runs.series.tail import LogPoints, read_log

MAX_BYTES = 32 * 1024 * 1024
_BYTES_PER_POINT = 40  # step, timestamp, value, definition and log id
_LOG = BatchLog._meta.db_table


@dataclass(frozen=True, slots=True)
class Part:
    """Logged points of one run's float series, ordered by definition and then as logged."""

    definition_ids: Integers
    log_ids: Integers
    points: Points

    def of(self, definition_id: int) -> LogPoints | None:
        first, end = np.searchsorted(self.definition_ids, [definition_id, definition_id + 1]).tolist()
        return LogPoints(self.points[first:end], self.log_ids[first:end]) if end > first else None


@dataclass(frozen=True, slots=True)
class Recent:
    """What is remembered of one run: the rows up to `last_id` that were in the log."""

    flush_count: int
    last_id: int = 0
    parts: tuple[Part, ...] = ()

    @property
    def size(self) -> int:
        return _BYTES_PER_POINT * sum(len(part.log_ids) for part in self.parts)

    def with_rows(self, rows: Collection[tuple[int, bytes]]) -> Recent:
        """Continued with later rows of (id, payload)."""
        part = _part(rows)
        parts = [*self.parts, part] if part else [*self.parts]
        # Parts at least double in size towards the front, so each point is put in order a few times only.
        while len(parts) > 1 and 2 * len(parts[-1].log_ids) >= len(parts[-2].log_ids):
            parts[-2:] = [_ordered(parts[-2:])]
        return Recent(self.flush_count, max(pk for pk, _ in rows), tuple(parts))

    def of(self, definition_id: int) -> LogPoints | None:
        found = [each for part in self.parts if (each := part.of(definition_id)) is not None]
        if len(found) < 2:
            return found[0] if found else None
        return LogPoints(joined([each.points for each in found]), np.concatenate([each.log_ids for each in found]))


def _part(rows: Iterable[tuple[int, bytes]]) -> Part | None:
    blocks = [(pk, block) for pk, data in rows if (block := payload.float_block(data)) is not None]
    return (
        _ordered([Part(b.definition_ids, np.full(len(b.points), pk), b.points) for pk, b in blocks]) if blocks else None
    )


def _ordered(parts: Collection[Part]) -> Part:
    """One part of several that follow each other in the log."""
    definition_ids = np.concatenate([part.definition_ids for part in parts])
    order = np.argsort(definition_ids, kind="stable")
    log_ids = np.concatenate([part.log_ids for part in parts])
    return Part(definition_ids[order], log_ids[order], joined([part.points for part in parts])[order])


class RecentLogs:
    """What this process remembers, by run; the runs read longest ago are forgotten first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._runs: OrderedDict[int, Recent] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, run_id: int, flush_count: int) -> Recent:
        with self._lock:
            known = self._runs.get(run_id)
            if known is None or known.flush_count != flush_count:
                return Recent(flush_count)
            self._runs.move_to_end(run_id)
            return known

    def put(self, run_id: int, recent: Recent) -> None:
        with self._lock:
            self._forget(run_id)
            if recent.size <= self.max_bytes:
                self._runs[run_id] = recent
                self._size += recent.size
            while self._size > self.max_bytes:
                self._forget(next(iter(self._runs)))

    def _forget(self, run_id: int) -> None:
        if run_id in self._runs:
            self._size -= self._runs.pop(run_id).size


recent_logs = RecentLogs()


def read_recent(flush_counts: Mapping[int, int], wanted: Collection[int]) -> dict[tuple[int, int], LogPoints]:
    """The logged points of these float series by (run, definition), given the flush counts of their runs as this
    snapshot sees them. One query, for rows that are not remembered."""
    if is_writing():  # nobody else may come to know what is perhaps never committed
        return read_log(flush_counts, wanted)
    recent = {pk: recent_logs.get(pk, count) for pk, count in flush_counts.items()}
    rows = _rows_after({pk: each.last_id for pk, each in recent.items()})
    for run_id, new in rows.items():
        recent[run_id] = recent[run_id].with_rows(new)
        recent_logs.put(run_id, recent[run_id])
    found = {(run_id, pk): each.of(pk) for run_id, each in recent.items() if each.parts for pk in wanted}
    return {key: points for key, points in found.items() if points is not None}


def _rows_after(last_ids: Mapping[int, int]) -> dict[int, list[tuple[int, bytes]]]:
    values = ", ".join(["(CAST(%s AS bigint), CAST(%s AS bigint))"] * len(last_ids))
    rows = fetch(
        f"WITH known (run_id, last_id) AS (VALUES {values}) "  # noqa: S608 - own names
        f"SELECT log.run_id, log.id, log.payload FROM known CROSS JOIN {_LOG} log "
        "WHERE log.run_id = known.run_id AND log.id > known.last_id AND log.point_count > 0 ORDER BY log.id",
        [number for pair in last_ids.items() for number in pair],
    )
    found: dict[int, list[tuple[int, bytes]]] = {}
    for run_id, pk, data in rows:
        found.setdefault(run_id, []).append((pk, data))
    return found
