"""What becomes of the last chunks of one series when points are added to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile

from runs.series.chunks import CHUNK_BYTES, CHUNK_POINTS, FULL, OPEN
from runs.series.layout import Segment
from runs.series.points import Points, cut, fill, joined

SMALL = 64  # chunks below this are joined with anything new


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk to be."""

    points: Points
    level: int
    generation: int


class Rewrite:
    """The last segments of a series and what becomes of them: chunks with late points are written anew, and open chunks
    at the end are joined with the new points once these have grown to about their size. So a point is written a few
    times, the number of chunks stays small, and open chunks are always the last ones."""

    def __init__(self, segments: list[Segment]) -> None:
        self.segments = segments
        self.joined = self._choose_joined()
        self.mended = [
            segment for segment in segments if segment.chunk and segment.extra and segment not in self.joined
        ]

    @property
    def loaded(self) -> list[Segment]:
        """Segments whose chunks are read and replaced."""
        return [*self.mended, *(segment for segment in self.joined if segment.chunk)]

    def _choose_joined(self) -> list[Segment]:
        """The segments at the end that become one run of chunks; none if there are no points beyond the last chunk."""
        if not self.segments or self.segments[-1].chunk is not None:
            return []
        open_segments = list(takewhile(_is_open, reversed(self.segments[:-1])))
        count = joined_count(_count(self.segments[-1]), [_count(segment) for segment in open_segments])
        return [*reversed(open_segments[:count]), self.segments[-1]]

    def pieces(self, data: Mapping[int, bytes], late_id: int) -> Iterator[Piece]:
        """The new chunks. `data` has the bytes of the chunks loaded, except damaged ones; `late_id` is the newest log
        row with a late point."""
        for segment in self.mended:
            if segment.chunk:
                generation = max(segment.chunk.generation, late_id)
                for points in cut(segment.load(data), CHUNK_POINTS, CHUNK_BYTES):
                    yield Piece(points, segment.chunk.level, generation)
        if self.joined:
            generation = max(late_id, *(segment.chunk.generation for segment in self.joined if segment.chunk), 0)
            full, rest = fill(joined([segment.load(data) for segment in self.joined]), CHUNK_POINTS, CHUNK_BYTES)
            yield from (Piece(points, FULL, generation) for points in full)
            if len(rest):
                yield Piece(rest, OPEN, generation)


def joined_count(new: int, opened: list[int]) -> int:
    """How many of the open chunks, given by their numbers of points from the last one backwards, are joined with this
    many new points: all if they fill a chunk, else those that are not much larger than what they are joined with."""
    if not opened:
        return 0
    if new + sum(opened) >= CHUNK_POINTS:
        return len(opened)
    total = new
    for number, count in enumerate(opened):
        if count > max(2 * total, SMALL):
            return number
        total += count
    return len(opened)


def _is_open(segment: Segment) -> bool:
    return segment.chunk is not None and segment.chunk.level == OPEN


def _count(segment: Segment) -> int:
    """About how many points there are; some late ones may replace others."""
    stored = segment.chunk.point_count if segment.chunk else 0
    return stored + (len(segment.extra) if segment.extra is not None else 0)
