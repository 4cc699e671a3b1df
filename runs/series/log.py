"""Writing a batch into the log, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from projects.exceptions import NotFound
from runs.models import BatchLog, Run
from runs.series import payload
from runs.series.base import Appended, FloatColumns, PointBatch, StringColumns
from runs.series.points import Points, cut, from_columns
from runs.series.repeats import heads, without_repeats
from runs.series.writers import close_gap, has_received

ROW_POINTS = 40_000
ROW_BYTES = 1_000_000


def append(batch: PointBatch) -> Appended:
    last_point_ms = _lock_run(batch.run_id)
    columns: dict[int, FloatColumns | StringColumns] = {**batch.floats, **batch.strings}
    series = {pk: from_columns(each) for pk, each in columns.items() if len(each)}
    if batch.writer:
        if _is_known(batch):
            return Appended(0)
        close_gap(batch.run_id, batch.writer, batch.seq)
        _write(batch, series, last_point_ms)
        return Appended(_count(series))
    new = without_repeats(batch.run_id, series, last_point_ms)
    _write(batch, new, last_point_ms)
    return Appended(_count(new), heads(series))


def _lock_run(run_id: int) -> int:
    """Lock the run and return its newest timestamp. Rows of the log get their ids under this lock, so that the order of
    ids is the order of commits: the numbering of points and the cursors of readers rest on it."""
    locked = Run.objects.select_for_update(no_key=True).filter(pk=run_id).values_list("last_point_ms", flat=True)
    last_point_ms = locked.first()
    if last_point_ms is None:
        raise NotFound
    return last_point_ms


def _is_known(batch: PointBatch) -> bool:
    """Whether a numbered batch came before."""
    rows = BatchLog.objects.filter(run_id=batch.run_id, writer=batch.writer, seq=batch.seq)
    return has_received(batch.run_id, batch.writer, batch.seq) or rows.exists()


def _count(series: Mapping[int, Points]) -> int:
    return sum(len(points) for points in series.values())


def _write(batch: PointBatch, series: Mapping[int, Points], last_point_ms: int) -> None:
    rows = [_row(batch, part, each) for part, each in enumerate(_parts(series))]
    if not rows and batch.writer:
        rows = [_row(batch, 0, {})]  # a number must not be missing in the sequence
    for row in rows:
        row.save(force_insert=True)
    newest = max((row.last_ms for row in rows), default=0)
    if newest > last_point_ms:
        Run.objects.filter(pk=batch.run_id).update(last_point_ms=newest)


def _parts(series: Mapping[int, Points]) -> Iterator[dict[int, Points]]:
    """The series cut into what fits one row; the points of each stay in order."""
    if _count(series) <= ROW_POINTS and sum(points.weight for points in series.values()) <= ROW_BYTES:
        if series:
            yield dict(series)
        return
    part: dict[int, Points] = {}
    count = weight = 0
    for pk, points in series.items():
        for piece in cut(points, ROW_POINTS, ROW_BYTES):
            if part and (pk in part or count + len(piece) > ROW_POINTS or weight + piece.weight > ROW_BYTES):
                yield part
                part, count, weight = {}, 0, 0
            part[pk] = piece
            count, weight = count + len(piece), weight + piece.weight
    if part:
        yield part


def _row(batch: PointBatch, part: int, series: Mapping[int, Points]) -> BatchLog:
    times = np.concatenate([points.timestamps for points in series.values()]) if series else np.empty(0, np.int64)
    return BatchLog(
        run_id=batch.run_id,
        writer=batch.writer,
        seq=batch.seq,
        part=part,
        point_count=_count(series),
        first_ms=int(times.min()) if len(times) else 0,
        last_ms=int(times.max()) if len(times) else 0,
        payload=payload.encode(series) if series else b"",
    )
