"""Moving points from the log into chunks, and keeping the summaries on the attribute rows.

A flush is prepared without any lock, from one view of the database: it reads a slice of the log and the last chunks of
its series, and works out what to write. Then a short transaction takes the lock on the run and writes it, unless
another flush or a deletion was there first, which `Run.flush_count` and `Run.attributes_version` tell. Batches logged
meanwhile do no harm: they come after the slice. So a flush keeps nobody waiting for longer than it writes, and a crash
at any point leaves either all of a slice in the log or all of it in chunks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.db.models.functions import Length
from django.utils import timezone

from runs.commits import write_turn
from runs.models import BatchLog, Run, Writer
from runs.series import bulk, payload
from runs.series.changes import Changes
from runs.series.current import first_late_steps
from runs.series.growth import grow
from runs.series.layout import ChunkFacts, late_chunks, lay_out, load_data, open_chunks, slices
from runs.series.pending import MAX_MARKS, runs_to_flush
from runs.series.quarantine import find_damaged
from runs.series.rewrite import Rewrite
from runs.series.snapshot import snapshot
from runs.series.summary import Summary, read_summaries, summarise
from runs.series.tail import LogColumns, LogPoints, Tail, in_columns, resolve
from runs.series.writers import advance

logger = logging.getLogger(__name__)

SLICE_ROWS = 256
SLICE_POINTS = 200_000
SLICE_BYTES = 8_000_000
TEXT_WEIGHT = 16_000_000  # of unpacked text in a slice
ATTEMPTS = 2  # to write without having held the lock while preparing
SLICES_AT_ONCE = 8  # of one run, before others have their turn
_LOCK_SPACE = 7_310  # the first half of the advisory locks that flushers take; nothing else takes any
_DEFINITIONS_AT_ONCE = 500
_ROWS_AT_ONCE = 32

Blocks: TypeAlias = list[tuple[int, payload.Block]]


def flush(run_id: int) -> int:
    """Move what the log holds now, a slice per transaction; returns the points moved."""
    moved = 0
    end: int | None = None
    while (part := _flush_slice(run_id)) is not None:
        moved += part.point_count
        end = part.newest if end is None else end
        if part.is_last or part.ids[-1] >= end:
            break
    return moved


def flush_pending(seconds: float = 4.0, limit: int = 1000) -> int:
    """Flush the runs that wait for it until all are done or the time is up; returns the points moved.

    Several processes may do this at once: each takes runs that no other is at. A failure with one run does not hold up
    the others.
    """
    moved = 0
    end = time.monotonic() + seconds
    for run_id in runs_to_flush(limit):
        try:
            moved += _flush_for(run_id, end)
        except (DatabaseError, ValueError):
            logger.exception("The points of run %d could not be flushed; they stay in the log.", run_id)
        if time.monotonic() >= end:
            break
    return moved


def _flush_for(run_id: int, end: float) -> int:
    """Flush a run, unless somebody else does, in not many more slices than there is time for."""
    moved = 0
    for _ in range(SLICES_AT_ONCE):
        part = _flush_slice(run_id, gives_way=True)
        moved += part.point_count if part else 0
        if part is None or part.is_last or time.monotonic() >= end:
            break
    return moved


def _flush_slice(run_id: int, *, gives_way: bool = False) -> _Slice | None:
    """Move the next slice of the run; None if there was none, or if this gave way to another flush."""
    for _ in range(ATTEMPTS):
        if connection.in_atomic_block:
            break
        with snapshot():
            if gives_way and not _is_alone(run_id):
                return None
            work = _prepare(run_id)
        if work is None or work.write():
            return work.slice if work else None
        if gives_way:
            return None
    with write_turn(), transaction.atomic():
        Run.objects.select_for_update(no_key=True).filter(pk=run_id).first()
        work = _prepare(run_id)
        if work is not None:
            work.write()
    return work.slice if work else None


def _is_alone(run_id: int) -> bool:
    """Whether no other flusher prepares a flush of this run, nor begins to before this transaction ends. Two at a time
    would do no harm, but one would work in vain."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK_SPACE, run_id % 2**31])
        return bool(cursor.fetchone()[0])


@dataclass(slots=True)
class _Slice:
    """The first rows of a run's log: (id, points, bytes, writer) of each. `newest` is the last row of the log, and
    `is_last` says whether the slice reaches it. Without rows, only the marks of batches are looked through."""

    rows: list[tuple[int, int, int, int]]
    newest: int
    is_last: bool
    marked_writers: frozenset[int] = frozenset()

    @property
    def ids(self) -> list[int]:
        return [row[0] for row in self.rows]

    @property
    def point_count(self) -> int:
        return sum(row[1] for row in self.rows)

    @property
    def writers(self) -> frozenset[int]:
        """The numbers of those who number their batches."""
        return self.marked_writers.union(row[3] for row in self.rows if row[3])

    def cut(self, count: int) -> None:
        self.is_last = self.is_last and count >= len(self.rows)
        self.rows = self.rows[:count]


@dataclass(slots=True)
class _Work:
    """A prepared flush."""

    run_id: int
    flush_count: int
    attributes_version: int
    slice: _Slice
    changes: list[Changes] = field(default_factory=list)

    def write(self) -> bool:
        """Write it, unless what it was prepared from has changed since; whether it was written."""
        with write_turn(), transaction.atomic():
            as_read = Run.objects.filter(
                pk=self.run_id, flush_count=self.flush_count, attributes_version=self.attributes_version
            )
            if not as_read.update(flush_count=F("flush_count") + 1, values_changed_at=timezone.now()):
                return False
            for changes in self.changes:
                changes.write(self.run_id)
            _clear_log(self.run_id, self.slice)
        return True


def _prepare(run_id: int) -> _Work | None:
    """Read a slice of the log and work out what to write; None if there is nothing to do."""
    versions = Run.objects.filter(pk=run_id).values_list("flush_count", "attributes_version").first()
    first = _first_slice(run_id) if versions else None
    if versions is None or first is None:
        return None
    work = _Work(run_id, *versions, first)
    floats, texts = _read(first)
    if floats:
        logged = in_columns(floats)
        changes, others = grow(run_id, logged)
        work.changes.append(changes)
        work.changes += _merged(run_id, logged, others)
    if texts:
        logged = in_columns(texts)
        work.changes += _merged(run_id, logged, logged.definition_ids.tolist())
    return work


def _first_slice(run_id: int) -> _Slice | None:
    """The first rows with points that together are no more than a slice may be, one at least."""
    log = BatchLog.objects.filter(run_id=run_id)
    filled = log.filter(point_count__gt=0).order_by("id").annotate(size=Length("payload"))
    rows = list(filled.values_list("id", "point_count", "size", "writer")[: SLICE_ROWS + 1])
    if not rows:
        marked = frozenset(log.values_list("writer", flat=True))
        return _Slice([], 0, is_last=True, marked_writers=marked) if marked else None
    is_last = len(rows) <= SLICE_ROWS
    newest = rows[-1][0] if is_last else log.order_by("-id").values_list("id", flat=True)[0]
    found = _Slice(rows[:SLICE_ROWS], newest, is_last)
    points = size = 0
    for count, row in enumerate(found.rows):
        points, size = points + row[1], size + row[2]
        if count and (points > SLICE_POINTS or size > SLICE_BYTES):
            found.cut(count)
            break
    return found


def _read(part: _Slice) -> tuple[Blocks, Blocks]:
    """The blocks of floats and of text. Text is packed in the log, so the slice is cut where it would take too much
    memory."""
    floats: Blocks = []
    texts: Blocks = []
    weight = count = 0
    for some in slices(part.ids, _ROWS_AT_ONCE):
        for log_id, data in bulk.read_blobs(BatchLog._meta.db_table, "payload", some, "ORDER BY id"):
            if weight > TEXT_WEIGHT:
                part.cut(count)
                return floats, texts
            count += 1
            for block in payload.decode(data):
                if block.points.is_text:
                    weight += block.points.weight
                    texts.append((log_id, block))
                else:
                    floats.append((log_id, block))
    return floats, texts


def _merged(run_id: int, logged: LogColumns, definition_ids: Collection[int]) -> list[Changes]:
    """What adding the points of these series changes, worked out series by series."""
    numbers = np.searchsorted(logged.definition_ids, sorted(definition_ids)).tolist()
    at_once = 1 if logged.points.is_text else _DEFINITIONS_AT_ONCE
    return [
        _merge(run_id, {int(logged.definition_ids[number]): logged.series(number) for number in some})
        for some in slices(numbers, at_once)
    ]


def _merge(run_id: int, logged: Mapping[int, LogPoints]) -> Changes:
    """Series without an attribute row were deleted: theirs are dropped."""
    summaries = {summary.definition_id: summary for summary in read_summaries([run_id], list(logged))}
    tails = {pk: resolve(logged[pk], summaries[pk].last_step) for pk in logged if pk in summaries}
    stored = _last_chunks(run_id, tails, summaries)
    rewrites = {pk: Rewrite(lay_out(stored.get(pk, []), tail.points)) for pk, tail in tails.items()}
    data = load_data(segment for rewrite in rewrites.values() for segment in rewrite.loaded)
    changes = Changes()
    for pk, rewrite in rewrites.items():
        damaged = find_damaged(rewrite.loaded, data)
        readable = {chunk_id: each for chunk_id, each in data.items() if chunk_id not in damaged} if damaged else data
        changes.summaries.append(summarise(summaries[pk], tails[pk].points, rewrite.segments, readable, lost=damaged))
        replaced = [segment.chunk.id for segment in rewrite.loaded if segment.chunk]
        changes.damaged += damaged
        changes.removed += [chunk_id for chunk_id in replaced if chunk_id not in damaged]
        for piece in rewrite.pieces(readable, tails[pk].late_id):
            changes.add_chunk(pk, piece.points, level=piece.level, generation=piece.generation)
    return changes


def _last_chunks(
    run_id: int, tails: Mapping[int, Tail], summaries: Mapping[int, Summary]
) -> dict[int, list[ChunkFacts]]:
    """The last chunks of each series: those that may grow, or, where points came late, all from the first late one."""
    late = first_late_steps(summaries, tails)
    found = {pk: facts for (_, pk), facts in late_chunks(run_id, late).items()}
    found.update(open_chunks(run_id, [pk for pk in tails if pk not in late]))
    return found


def _clear_log(run_id: int, part: _Slice) -> None:
    """Remove the rows that were flushed, except those of numbered batches that came before their predecessors: a mark
    of them stays, without points, until the gap is filled."""
    if not part.writers:
        bulk.delete(BatchLog._meta.db_table, part.ids)
        return
    flushed = set(part.ids)
    removed = {row[0] for row in part.rows if not row[3]}
    batches: dict[int, list[tuple[int, int, bool]]] = {}
    rows = BatchLog.objects.filter(run_id=run_id, writer__in=part.writers)
    for pk, number, seq, point_count in rows.values_list("id", "writer", "seq", "point_count"):
        batches.setdefault(number, []).append((pk, seq, pk in flushed or not point_count))
    for writer in Writer.objects.filter(run_id=run_id, number__in=batches):
        before = writer.last_seq, writer.gaps
        found = batches[writer.number]
        # A batch that still waits with points must not be taken for a gap, nor may it be passed.
        barrier = min((seq for _, seq, is_done in found if not is_done), default=None)
        done = [seq for _, seq, is_done in found if is_done and (barrier is None or seq < barrier)]
        advance(writer, done, MAX_MARKS)
        if (writer.last_seq, writer.gaps) != before:
            writer.save(update_fields=["last_seq", "gaps"])
        removed.update(pk for pk, seq, is_done in found if is_done and seq <= writer.last_seq)
    marks = [pk for pk in part.ids if pk not in removed]
    bulk.delete(BatchLog._meta.db_table, sorted(removed))
    if marks:
        BatchLog.objects.filter(pk__in=marks).update(point_count=0, payload=b"")
