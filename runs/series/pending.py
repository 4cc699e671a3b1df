"""Which runs have points in the log that wait to be moved into chunks, and how many are too many."""

from __future__ import annotations

import time
from collections.abc import Collection
from threading import Lock

from django.db.models import Count, Min, Q

from projects.rows import fetch
from runs.models import BatchLog
from runs.series.sql import among

MAX_MARKS = 64  # rows without points that may stay: marks of batches whose predecessor is missing, see flush.py
_COUNT_HOLDS_SECONDS = 2.0


def count_unflushed(run_id: int) -> int:
    """Log rows of the run that hold points."""
    statement = f"SELECT count(*) FROM {BatchLog._meta.db_table} WHERE run_id = %s AND point_count > 0"  # noqa: S608
    return int(fetch(statement, [run_id])[0][0])


def count_unflushed_of(run_ids: Collection[int]) -> dict[int, int]:
    """As count_unflushed, for several runs; one query."""
    condition, parameter = among("run_id", run_ids)
    statement = (
        f"SELECT run_id, count(*) FROM {BatchLog._meta.db_table} WHERE {condition} AND point_count > 0"  # noqa: S608
        " GROUP BY run_id"
    )
    return dict.fromkeys(run_ids, 0) | dict(fetch(statement, [parameter])) if run_ids else {}


def runs_with_waiting_points(run_ids: Collection[int]) -> list[int]:
    """Those of the runs whose latest points are still in the log, so that their attribute rows lag behind."""
    rows = BatchLog.objects.filter(run_id__in=run_ids, point_count__gt=0)
    return list(rows.order_by().values_list("run_id", flat=True).distinct())


def runs_to_flush(limit: int) -> list[int]:
    """Ids of runs with something to flush, those first that have waited longest: a run that was flushed goes to the
    end, so a busy one does not keep the others waiting."""
    rows = BatchLog.objects.values("run_id").annotate(
        oldest=Min("id"), filled=Count("id", filter=Q(point_count__gt=0)), marks=Count("id", filter=Q(point_count=0))
    )
    waiting = rows.filter(Q(filled__gt=0) | Q(marks__gt=MAX_MARKS)).order_by("oldest")
    return list(waiting.values_list("run_id", flat=True)[:limit])


class LogSize:
    """Whether the log of all runs together has grown past a limit. Asked for by requests, so the database is asked once
    in a while only."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asked = float("-inf")
        self._is_over = False

    def is_over(self, limit: int) -> bool:
        with self._lock:
            now = time.monotonic()
            if now - self._asked < _COUNT_HOLDS_SECONDS:
                return self._is_over
            self._asked = now
        # Counts no further than the limit, and mostly finds far fewer.
        self._is_over = BatchLog.objects.order_by()[: limit + 1].count() > limit
        return self._is_over

    def forget(self) -> None:
        with self._lock:
            self._asked = float("-inf")
