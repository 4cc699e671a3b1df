"""Removing all points of a run for good."""

from __future__ import annotations

from django.db import transaction

from runs.models import BatchLog, Chunk, DamagedChunk
from runs.series import bulk

CHUNKS_AT_ONCE = 500  # a chunk has about 50 kB
LOG_ROWS_AT_ONCE = 100  # a row of the log has at most 1 MB


def purge_some(run_id: int) -> int:
    """Remove some rows of the run's points in one short transaction; the number of rows, 0 when nothing is left. Nobody
    may log to the run any more."""
    for model, count in ((Chunk, CHUNKS_AT_ONCE), (DamagedChunk, CHUNKS_AT_ONCE), (BatchLog, LOG_ROWS_AT_ONCE)):
        with transaction.atomic():
            ids = list(model.objects.filter(run_id=run_id).order_by().values_list("id", flat=True)[:count])
            bulk.delete(model._meta.db_table, ids)
        if ids:
            return len(ids)
    return 0
