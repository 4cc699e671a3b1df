"""Which runs have points in the log that wait to be moved into chunks."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Count, Q

from runs.models import BatchLog

MAX_MARKS = 64  # rows without points that may stay: marks of batches whose predecessor is missing, see flush.py


def count_unflushed(run_id: int) -> int:
    """Log rows of the run that hold points."""
    return BatchLog.objects.filter(run_id=run_id, point_count__gt=0).count()


def runs_with_waiting_points(run_ids: Collection[int]) -> list[int]:
    """Those of the runs whose latest points are still in the log, so that their attribute rows lag behind."""
    rows = BatchLog.objects.filter(run_id__in=run_ids, point_count__gt=0)
    return list(rows.order_by().values_list("run_id", flat=True).distinct())


def runs_to_flush(limit: int) -> list[int]:
    """Ids of runs with something to flush, those with most rows first."""
    rows = BatchLog.objects.values("run_id").annotate(
        filled=Count("id", filter=Q(point_count__gt=0)), marks=Count("id", filter=Q(point_count=0))
    )
    waiting = rows.filter(Q(filled__gt=0) | Q(marks__gt=MAX_MARKS)).order_by("-filled", "run_id")
    return list(waiting.values_list("run_id", flat=True)[:limit])
