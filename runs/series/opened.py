"""Series opened for reading: what is known of their chunks and their tails before any point is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from runs.models import Chunk
from runs.series.base import SeriesKey
from runs.series.layout import ChunkFacts, Segment, chunk_facts, lay_out, load_data, slices
from runs.series.points import Points, joined, no_points
from runs.series.summary import Summary, read_summaries, summarise
from runs.series.tail import EMPTY, Tail, read_log, resolve

_DEFINITIONS_AT_ONCE = 500


@dataclass(slots=True)
class OpenSeries:
    """One series. `data` holds the bytes of the chunks loaded so far; segments with late points are loaded always."""

    flushed: Summary
    chunks: list[ChunkFacts]
    tail: Tail
    segments: list[Segment]
    data: dict[int, bytes] = field(default_factory=dict)

    @property
    def position(self) -> int:
        """Rows of the log that come later have a higher id than this."""
        seen = [chunk.generation for chunk in self.chunks]
        return max(seen + self.tail.log_ids[-1:].tolist(), default=0)

    def summary(self) -> Summary:
        return summarise(self.flushed, self.tail.points, self.segments, self.data)

    def load(self, segments: Sequence[Segment]) -> Points:
        """The points of these segments of the series, in step order."""
        missing = [each for each in segments if each.chunk is not None and each.chunk.id not in self.data]
        data = {**self.data, **load_data(missing)}
        parts = [segment.load(data) for segment in segments]
        return joined(parts) if parts else no_points(is_text=self.flushed.is_text)

    def counts(self) -> list[int]:
        """The number of points of each segment."""
        return [
            segment.chunk.point_count if segment.chunk and segment.is_plain else len(segment.load(self.data))
            for segment in self.segments
        ]

    def from_step(self, step: float) -> list[Segment]:
        """The segments with points at or after a step."""
        return [segment for segment in self.segments if segment.last_step >= step]


def open_series(keys: Iterable[SeriesKey], *, is_text: bool) -> dict[SeriesKey, OpenSeries]:
    """The series of one type that exist among the keys. A fixed number of queries; to be called in a snapshot."""
    wanted = set(keys)
    run_ids = sorted({key.run_id for key in wanted})
    definition_ids = sorted({key.definition_id for key in wanted})
    flushed = {
        SeriesKey(summary.run_id, summary.definition_id): summary
        for summary in read_summaries(run_ids, definition_ids)
        if summary.is_text == is_text
    }
    return _opened({key: summary for key, summary in flushed.items() if key in wanted}, run_ids, definition_ids)


def _opened(
    flushed: dict[SeriesKey, Summary], run_ids: Sequence[int], definition_ids: Sequence[int]
) -> dict[SeriesKey, OpenSeries]:
    if not flushed:
        return {}
    logged = read_log(run_ids, set(definition_ids))
    stored: dict[tuple[int, int], list[ChunkFacts]] = {}
    for some in slices(definition_ids, _DEFINITIONS_AT_ONCE):
        stored.update(chunk_facts(Chunk.objects.filter(run_id__in=run_ids, definition_id__in=some)))
    found: dict[SeriesKey, OpenSeries] = {}
    for key, summary in flushed.items():
        pair = (key.run_id, key.definition_id)
        tail = resolve(logged[pair], summary.last_step) if pair in logged else EMPTY
        segments = lay_out(stored.get(pair, []), tail.points)
        found[key] = OpenSeries(summary, stored.get(pair, []), tail, segments)
    _load_mended(found.values())
    return found


def _load_mended(opened: Iterable[OpenSeries]) -> None:
    """Load the chunks that late points are merged into, of all series at once."""
    series = list(opened)
    mended = {id(each): [segment for segment in each.segments if not segment.is_plain] for each in series}
    data = load_data(segment for segments in mended.values() for segment in segments)
    for each in series:
        chunks = [segment.chunk for segment in mended[id(each)] if segment.chunk]
        each.data = {chunk.id: data[chunk.id] for chunk in chunks if chunk.id in data}
