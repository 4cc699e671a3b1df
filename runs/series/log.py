"""Writing a batch into the log, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping

from projects.exceptions import NotFound
from runs.models import BatchLog, Run
from runs.series.base import Appended, FloatColumns, PointBatch, StringColumns
from runs.series.points import Points, from_columns
from runs.series.repeats import heads, is_repetition, without_repeats
from runs.series.rows import EMPTY_ROW, columns_of, log_rows
from runs.series.statements import insert_rows
from runs.series.writers import close_gap, has_received


def append(batch: PointBatch, locked: Run | None = None) -> Appended:
    run = locked or _lock(batch.run_id)
    columns: dict[int, FloatColumns | StringColumns] = {**batch.floats, **batch.strings}
    series = {pk: from_columns(each) for pk, each in columns.items() if len(each)}
    if batch.writer:
        if locked is None:
            if _is_known(batch):
                return Appended(0)
            close_gap(batch.run_id, batch.writer, batch.seq)
        new = series
    else:
        new = without_repeats(batch.run_id, series, run.last_point_ms, batch.examination)
    last_ms = _write(batch, new)
    if locked is None and last_ms > run.last_point_ms:
        Run.objects.filter(pk=batch.run_id).update(last_point_ms=last_ms)
    if batch.writer:
        return Appended(_count(new))
    return Appended(_count(new), heads(columns_of(series)), is_repetition(series, new))


def _lock(run_id: int) -> Run:
    """Lock the run. Rows of the log get their ids under this lock, so that the order of ids is the order of commits:
    the numbering of points and the cursors of readers rest on it."""
    run = Run.objects.select_for_update(no_key=True).filter(pk=run_id).first()
    if run is None:
        raise NotFound
    return run


def _is_known(batch: PointBatch) -> bool:
    """Whether a numbered batch came before."""
    rows = BatchLog.objects.filter(run_id=batch.run_id, writer=batch.writer, seq=batch.seq)
    return has_received(batch.run_id, batch.writer, batch.seq) or rows.exists()


def _count(series: Mapping[int, Points]) -> int:
    return sum(len(points) for points in series.values())


def _write(batch: PointBatch, series: Mapping[int, Points]) -> int:
    """Write the rows; returns the newest timestamp in them, 0 for none."""
    rows = log_rows(columns_of(series))
    if not rows and batch.writer:
        rows = [EMPTY_ROW]  # a number must not be missing in the sequence
    insert_rows(batch.run_id, batch.writer, batch.seq, rows)
    return max((row.last_ms for row in rows), default=0)
