"""The series store in the application's own database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from runs.models import Attribute, Chunk, Run
from runs.models.attribute import ValueFlag
from runs.series import charts, log, pages
from runs.series.base import (
    Appended,
    Axis,
    FloatColumns,
    PointBatch,
    SeriesKey,
    SeriesSlice,
    SeriesSummary,
    StringColumns,
    StringPage,
)
from runs.series.current import current_summaries
from runs.series.flush import flush
from runs.series.layout import slices
from runs.series.scan import scan_floats, scan_strings

_DEFINITIONS_AT_ONCE = 500


class DatabaseSeriesStore:
    """See base.SeriesStore for what each method promises.

    A batch is one row of the log, written in the request. `flush` moves points from the log into chunks per series.
    Readers merge both. Everything that depends on the order of batches happens under a lock on the run's row.
    """

    def append(self, batch: PointBatch, locked: Run | None = None) -> Appended:
        return log.append(batch, locked)

    def read(
        self,
        keys: Sequence[SeriesKey],
        *,
        max_points: int,
        first: float | None = None,
        last: float | None = None,
        axis: Axis = Axis.STEP,
        starts: Mapping[int, int] | None = None,
    ) -> list[SeriesSlice]:
        return charts.read(keys, max_points, first, last, axis, starts or {})

    def read_since(self, wanted: Sequence[tuple[SeriesKey, str]], *, max_points: int) -> list[SeriesSlice | None]:
        return charts.read_since(wanted, max_points)

    def read_page(self, key: SeriesKey, *, offset: int, limit: int) -> SeriesSlice:
        points, total = pages.read_floats(key, offset, limit)
        is_exact = len(points) == total
        return SeriesSlice(key, points.steps, points.timestamps, points.values, total, is_exact)

    def read_strings(self, key: SeriesKey, *, offset: int, limit: int) -> StringPage:
        points, total = pages.read_strings(key, offset, limit)
        return StringPage(points.steps, points.timestamps, points.values.tolist(), total)

    def scan(self, keys: Sequence[SeriesKey]) -> Iterator[list[tuple[SeriesKey, FloatColumns]]]:
        for piece in scan_floats(keys):
            yield [(key, FloatColumns(points.steps, points.timestamps, points.values)) for key, points in piece]

    def scan_strings(self, key: SeriesKey) -> Iterator[StringColumns]:
        for points in scan_strings(key):
            yield StringColumns(points.steps, points.timestamps, points.values.tolist())

    def summaries(self, run_id: int, definition_ids: Sequence[int] | None = None) -> dict[int, SeriesSummary]:
        return current_summaries(run_id, definition_ids)

    def delete(self, run_id: int, definition_ids: Sequence[int]) -> None:
        # Points in the log can't be picked out of their batches; once they are in chunks, all can go.
        flush(run_id)
        with transaction.atomic():
            changed = {"flush_count": F("flush_count") + 1, "values_changed_at": timezone.now()}
            Run.objects.filter(pk=run_id).update(**changed)
            for some in slices(definition_ids, _DEFINITIONS_AT_ONCE):
                Chunk.objects.filter(run_id=run_id, definition_id__in=some).delete()
                rows = Attribute.objects.filter(run_id=run_id, definition_id__in=some)
                rows.filter(flags=ValueFlag.NAN).update(flags=0)
                rows.update(**_EMPTY)

    def flush(self, run_id: int) -> int:
        return flush(run_id)


_EMPTY: dict[str, float | None] = {
    "number": None,
    "text": None,
    "long_text": None,
    "count": 0,
    "last_step": None,
    "last_ms": None,
    "minimum": None,
    "maximum": None,
    "total": 0,
    "sum_squares": 0,
    "finite_count": 0,
}
