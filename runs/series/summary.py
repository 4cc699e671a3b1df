"""The summary of a series on its attribute row, and what it becomes with new points."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db import connection

from runs.models import Attribute, AttributeKind, Chunk
from runs.models.attribute import MAX_INDEXED_TEXT, ValueFlag
from runs.series.base import SeriesSummary
from runs.series.layout import Segment, chunk_facts, load_data, slices
from runs.series.points import Points
from runs.series.statistics import Statistics, statistics

_SERIES_KINDS = (AttributeKind.FLOAT_SERIES, AttributeKind.STRING_SERIES)
_DEFINITIONS_AT_ONCE = 500
_CHUNKS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Summary:
    """One attribute row of a series; `last` is the value at `last_step`."""

    attribute_id: int
    run_id: int
    definition_id: int
    is_text: bool
    flags: int
    statistics: Statistics
    last: float | str | None
    last_step: float | None
    last_ms: int | None

    def as_series_summary(self) -> SeriesSummary:
        figures = self.statistics
        return SeriesSummary(
            count=figures.count,
            finite_count=figures.finite_count,
            last=self.last,
            last_step=self.last_step,
            last_ms=self.last_ms,
            minimum=figures.minimum,
            maximum=figures.maximum,
            total=figures.total,
            sum_squares=figures.sum_squares,
        )


def read_summaries(run_ids: Sequence[int], definition_ids: Sequence[int] | None = None) -> Iterator[Summary]:
    """The flushed summaries of these series of points, or of all of the runs."""
    rows = Attribute.objects.filter(run_id__in=run_ids, definition__kind__in=_SERIES_KINDS).select_related("definition")
    if definition_ids is None:
        yield from map(_summary, rows)
        return
    for some in slices(definition_ids, _DEFINITIONS_AT_ONCE):
        yield from map(_summary, rows.filter(definition_id__in=some))


def _summary(row: Attribute) -> Summary:
    is_text = row.definition.kind == AttributeKind.STRING_SERIES
    figures = Statistics(row.count, row.finite_count, row.minimum, row.maximum, row.total, row.sum_squares)
    last = (row.long_text or row.text) if is_text else _number(row)
    if not row.count:
        last = None
    return Summary(row.pk, row.run_id, row.definition_id, is_text, row.flags, figures, last, row.last_step, row.last_ms)


def _number(row: Attribute) -> float | None:
    return math.nan if row.flags & ValueFlag.NAN else row.number


def summarise(
    old: Summary,
    new: Points,
    segments: Sequence[Segment],
    data: Mapping[int, bytes],
    lost: Collection[int] = (),
) -> Summary:
    """The summary once `new` (in step order) is merged into the series; `segments` are those that change, at least,
    `data` holds the bytes of chunks that get late points, and `lost` are ids of chunks to be left out."""
    if not len(new):
        return old
    if lost or _overwritten_count(segments, data):
        # An extreme may be gone and sums would drift: count anew.
        figures = _statistics_of_all(old, segments, data, lost)
    else:
        figures = old.statistics + statistics(new)
    changed = replace(old, statistics=figures)
    if old.last_step is not None and new.steps[-1] < old.last_step:
        return changed
    last = storable_text(new.values[-1]) if new.is_text else float(new.values[-1])
    return replace(changed, last=last, last_step=float(new.steps[-1]), last_ms=int(new.timestamps[-1]))


def _overwritten_count(segments: Sequence[Segment], data: Mapping[int, bytes]) -> int:
    return sum(
        segment.chunk.point_count + len(segment.extra) - len(segment.load(data))
        for segment in segments
        if segment.chunk is not None and segment.extra is not None
    )


def _statistics_of_all(
    old: Summary, segments: Sequence[Segment], data: Mapping[int, bytes], lost: Collection[int]
) -> Statistics:
    """Counted from the points of what changes; of the other chunks, those are read that do not tell their statistics
    themselves: the few that are open."""
    changed = [segment for segment in segments if not segment.is_plain]
    figures = sum((statistics(segment.load(data)) for segment in changed), Statistics())
    seen = {segment.chunk.id for segment in changed if segment.chunk}.union(lost)
    silent: list[int] = []
    rows = Chunk.objects.filter(run_id=old.run_id, definition_id=old.definition_id)
    columns = ("id", "point_count", "finite_count", "minimum", "maximum", "total", "sum_squares")
    for pk, count, finite_count, *others in rows.order_by("first_step").values_list(*columns):
        if pk in seen:
            continue
        if old.is_text:
            figures += Statistics(count)
        elif finite_count is None:
            silent.append(pk)
        else:
            figures += Statistics(count, finite_count, *others)
    for some in slices(silent, _CHUNKS_AT_ONCE):
        found = chunk_facts(Chunk.objects.filter(pk__in=some)).get((old.run_id, old.definition_id), [])
        loaded = load_data(map(Segment, found))
        figures = sum((statistics(Segment(chunk).load(loaded)) for chunk in found), figures)
    return figures


def storable_text(text: str) -> str:
    """Text as every database takes it: zero characters and lone surrogates are replaced. Chunks keep them."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def write_summaries(summaries: Sequence[Summary]) -> None:
    """Update the attribute rows. Rows that were deleted are not made again."""
    columns = [*_columns(summaries[0])] if summaries else []
    if not columns:
        return
    quote = connection.ops.quote_name
    assignments = ", ".join(f"{quote(column)} = %s" for column in columns)
    statement = f"UPDATE {quote(Attribute._meta.db_table)} SET {assignments} WHERE id = %s"  # noqa: S608 - own names
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(*_columns(each).values(), each.attribute_id) for each in summaries])


def _columns(summary: Summary) -> dict[str, float | str | None]:
    figures, last = summary.statistics, summary.last
    text = last if isinstance(last, str) else None
    number = last if isinstance(last, float) else None
    is_nan = number is not None and math.isnan(number)
    return {
        "flags": summary.flags | ValueFlag.NAN if is_nan else summary.flags & ~ValueFlag.NAN,
        "number": None if is_nan else number,
        "text": text[:MAX_INDEXED_TEXT] if text is not None else None,
        "long_text": text if text is not None and len(text) > MAX_INDEXED_TEXT else None,
        "count": figures.count,
        "last_step": summary.last_step,
        "last_ms": summary.last_ms,
        "minimum": figures.minimum,
        "maximum": figures.maximum,
        "total": figures.total,
        "sum_squares": figures.sum_squares,
        "finite_count": figures.finite_count,
    }
