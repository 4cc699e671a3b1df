"""Moving points from the log into chunks, and keeping the summaries on the attribute rows."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from django.db import DatabaseError, transaction

from runs.models import BatchLog, Chunk, Run, Writer
from runs.series import chunks
from runs.series.chunks import CHUNK_BYTES, CHUNK_POINTS, FULL, OPEN
from runs.series.current import first_late_steps
from runs.series.layout import ChunkFacts, Segment, chunk_facts, late_chunks, lay_out, load_data, slices
from runs.series.pending import MAX_MARKS, runs_to_flush
from runs.series.points import Points, cut, fill, joined
from runs.series.rollups import COARSE, FINE, rollup
from runs.series.summary import Summary, read_summaries, summarise, write_summaries
from runs.series.tail import LogPoints, Tail, collect, resolve
from runs.series.writers import advance

logger = logging.getLogger(__name__)

SLICE_ROWS = 256
SLICE_POINTS = 500_000
_DEFINITIONS_AT_ONCE = 500
_SMALL = 64  # chunks below this are joined with anything new


def flush(run_id: int) -> int:
    """Move what the log holds now, a slice per transaction; returns the points moved."""
    end = BatchLog.objects.filter(run_id=run_id).order_by("-id").values_list("id", flat=True).first()
    moved = 0
    while end is not None:
        with transaction.atomic():
            count, is_done = _flush_slice(run_id, end)
        moved += count
        if is_done:
            break
    return moved


def flush_pending(limit: int = 100) -> int:
    """Flush the runs that wait for it; returns the points moved. A failure with one does not hold up the others."""
    moved = 0
    for run_id in runs_to_flush(limit):
        try:
            moved += flush(run_id)
        except (DatabaseError, ValueError):
            logger.exception("The points of run %d could not be flushed; they stay in the log.", run_id)
    return moved


def _flush_slice(run_id: int, end: int) -> tuple[int, bool]:
    """Move one slice of the log up to row `end`; the points moved, and whether nothing is left to do."""
    if not Run.objects.select_for_update(no_key=True).filter(pk=run_id).exists():
        return 0, True
    waiting = BatchLog.objects.filter(run_id=run_id, id__lte=end).order_by("id")
    facts = list(waiting.filter(point_count__gt=0).values_list("id", "point_count")[:SLICE_ROWS])
    ids = _first_ids(facts)
    rows = waiting.filter(id__in=ids).values_list("run_id", "id", "payload")
    logged = {pk: points for (_, pk), points in collect(rows.iterator(chunk_size=16)).items()}
    for some in slices(logged, _DEFINITIONS_AT_ONCE):
        _store(run_id, {pk: logged[pk] for pk in some})
    _clear_log(run_id, ids)
    is_done = len(ids) == len(facts) < SLICE_ROWS
    return sum(count for pk, count in facts if pk in set(ids)), is_done


def _first_ids(facts: Sequence[tuple[int, int]]) -> list[int]:
    """The first rows that together hold no more points than a slice may (one row at least)."""
    ids: list[int] = []
    total = 0
    for pk, count in facts:
        total += count
        if ids and total > SLICE_POINTS:
            break
        ids.append(pk)
    return ids


@dataclass(slots=True)
class _Changes:
    """What a flush writes: chunks to remove, chunks to add, new summaries."""

    removed: list[int] = field(default_factory=list)
    added: list[Chunk] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)

    def write(self) -> None:
        for some in slices(self.removed, _DEFINITIONS_AT_ONCE):
            Chunk.objects.filter(pk__in=some).delete()
        Chunk.objects.bulk_create(self.added, batch_size=200)
        write_summaries(self.summaries)


def _store(run_id: int, logged: dict[int, LogPoints]) -> None:
    """Write the logged points of these series. Series without an attribute row were deleted: theirs are dropped."""
    summaries = {summary.definition_id: summary for summary in read_summaries([run_id], list(logged))}
    tails = {pk: resolve(logged[pk], summaries[pk].last_step) for pk in logged if pk in summaries}
    stored = _last_chunks(run_id, tails, summaries)
    rewrites = {pk: _Rewrite(lay_out(stored.get((run_id, pk), []), tail.points)) for pk, tail in tails.items()}
    data = load_data(segment for rewrite in rewrites.values() for segment in rewrite.loaded)
    changes = _Changes()
    for pk, rewrite in rewrites.items():
        changes.summaries.append(summarise(summaries[pk], tails[pk].points, rewrite.segments, data))
        changes.removed += [segment.chunk.id for segment in rewrite.loaded if segment.chunk]
        changes.added += [_chunk(run_id, pk, piece) for piece in rewrite.pieces(data, tails[pk].late_id)]
    changes.write()


def _last_chunks(
    run_id: int, tails: Mapping[int, Tail], summaries: Mapping[int, Summary]
) -> dict[tuple[int, int], list[ChunkFacts]]:
    """The last chunks of each series: those that may grow, or, where points came late, all from the first late one."""
    late = first_late_steps(summaries, tails)
    found = late_chunks(run_id, late)
    for some in slices([pk for pk in tails if pk not in late], _DEFINITIONS_AT_ONCE):
        found.update(chunk_facts(Chunk.objects.filter(run_id=run_id, level=OPEN, definition_id__in=some)))
    return found


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk to be."""

    points: Points
    level: int
    generation: int


class _Rewrite:
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
        count = _count(self.segments[-1])
        is_full = count + sum(map(_count, open_segments)) >= CHUNK_POINTS
        chosen = [self.segments[-1]]
        for segment in open_segments:
            if not is_full and _count(segment) > max(2 * count, _SMALL):
                break
            count += _count(segment)
            chosen.insert(0, segment)
        return chosen

    def pieces(self, data: Mapping[int, bytes], late_id: int) -> Iterator[_Piece]:
        for segment in self.mended:
            if segment.chunk:
                generation = max(segment.chunk.generation, late_id)
                for points in cut(segment.load(data), CHUNK_POINTS, CHUNK_BYTES):
                    yield _Piece(points, segment.chunk.level, generation)
        if self.joined:
            generation = max(late_id, *(segment.chunk.generation for segment in self.joined if segment.chunk), 0)
            full, rest = fill(joined([segment.load(data) for segment in self.joined]), CHUNK_POINTS, CHUNK_BYTES)
            yield from (_Piece(points, FULL, generation) for points in full)
            if len(rest):
                yield _Piece(rest, OPEN, generation)


def _is_open(segment: Segment) -> bool:
    return segment.chunk is not None and segment.chunk.level == OPEN


def _count(segment: Segment) -> int:
    """About how many points there are; some late ones may replace others."""
    stored = segment.chunk.point_count if segment.chunk else 0
    return stored + (len(segment.extra) if segment.extra is not None else 0)


def _chunk(run_id: int, definition_id: int, piece: _Piece) -> Chunk:
    points = piece.points
    codec, data = chunks.encode(points, level=piece.level)
    return Chunk(
        run_id=run_id,
        definition_id=definition_id,
        first_step=float(points.steps[0]),
        last_step=float(points.steps[-1]),
        first_ms=int(points.timestamps.min()),
        last_ms=int(points.timestamps.max()),
        point_count=len(points),
        level=piece.level,
        generation=piece.generation,
        codec=codec,
        checksum=chunks.checksum(data),
        rollup_512=rollup(points, COARSE) if piece.level == FULL else None,
        rollup_64=rollup(points, FINE) if piece.level == FULL else None,
        data=data,
    )


def _clear_log(run_id: int, flushed: Collection[int]) -> None:
    """Remove the rows that were flushed, except those of numbered batches that came before their predecessors: a mark
    of them stays, without points, until the gap is filled."""
    rows = BatchLog.objects.filter(run_id=run_id)
    rows.filter(id__in=flushed, writer=0).delete()
    rows.filter(id__in=flushed).update(point_count=0, payload=b"")
    marks: dict[int, set[int]] = {}
    for number, seq in rows.filter(point_count=0).values_list("writer", "seq"):
        marks.setdefault(number, set()).add(seq)
    for writer in Writer.objects.filter(run_id=run_id, number__in=marks):
        waiting = rows.filter(writer=writer.number, point_count__gt=0)
        done = marks[writer.number].difference(waiting.values_list("seq", flat=True))
        advance(writer, done, MAX_MARKS)
        writer.save(update_fields=["last_seq", "gaps"])
        rows.filter(writer=writer.number, seq__lte=writer.last_seq, point_count=0).delete()
