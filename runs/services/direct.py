"""The short way in for requests that only log points to series this process knows already: nearly all of them.

Everything is decided by a few operations on whole columns, and one write proves that what was remembered still holds.
Whatever is out of the ordinary (a new path, a bad point, a stale memory, a batch that comes again) is left to the
general way, which gives every answer in full: both store the same.
"""

from __future__ import annotations

import random
import time
import uuid as uuids
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db import DatabaseError, connection

from runs.models import Run
from runs.operations import BatchIdentity, FloatBlock, IngestResult, PointColumns, TextBlock
from runs.series.base import Floats
from runs.series.points import SeriesColumns, bounds
from runs.series.repeats import heads
from runs.series.rows import log_rows
from runs.series.statements import BatchWrite, write_batch
from runs.services import memory
from runs.services.plan import MAX_TEXT_BYTES
from runs.services.points import MAX_STEP, MAX_TIMESTAMP_MS, STEP_DECIMALS


@dataclass(frozen=True, slots=True)
class DirectWrite:
    """A batch whose points are to be written, and nothing else."""

    batch: BatchWrite
    applied: int
    session: str
    known: memory.RunMemory

    def result(self, *, is_written: bool) -> IngestResult | None:
        """What became of it; None, when it could not be written, for the general way to find out."""
        if not is_written:
            memory.forget(self.batch.run_id)
            return None
        if self.session in self.known.sessions:
            self.known.saw(self.session, self.batch.last_ms)
        return IngestResult(self.applied, ())


def append_directly(run: Run, columns: PointColumns, identity: BatchIdentity) -> IngestResult | None:
    """Write the points if that is all there is to do; None when it was not, and then nothing was written."""
    known = memory.recall(run.pk)
    write = None if known is None else plan_directly(run.pk, columns, identity, known)
    return None if write is None else write.result(is_written=_is_written(write.batch))


def plan_directly(
    run_id: int, columns: PointColumns, identity: BatchIdentity, known: memory.RunMemory
) -> DirectWrite | None:
    """The write that is all there is to do, if it is. Nothing is asked of the database."""
    blocks = _blocks(columns, known)
    if blocks is None:
        return None
    writer = known.writers.get(identity.writer, 0)
    if not (writer if identity.is_numbered else _is_plainly_new(blocks, identity, known)):
        return None
    batch = BatchWrite(
        run_id=run_id,
        attributes_version=known.version,
        rows=log_rows(blocks),
        writer=writer,
        seq=identity.seq if writer else unique_seq(),
        digest=identity.digest,
        heads=b"" if writer else heads(blocks),
    )
    return DirectWrite(batch, sum(len(block.definition_ids) for block in blocks), identity.session, known)


def unique_seq() -> int:
    """A number for a batch that has none. It grows with time, which suits the index; should two processes ever take the
    same in one run, the later write is refused and goes the general way."""
    return time.time_ns() // 1024 * 1024 + random.getrandbits(10)


def session_of(identity: BatchIdentity) -> uuids.UUID | None:
    """The session of a batch without a number; None when it has none, or none that could be remembered."""
    try:
        return uuids.UUID(identity.session)
    except ValueError:
        return None


def _is_plainly_new(blocks: Sequence[SeriesColumns], identity: BatchIdentity, known: memory.RunMemory) -> bool:
    """Whether an unnumbered batch can't repeat points but by being sent as it was, which the write itself finds out."""
    if not identity.digest:
        return False
    first_ms = min(bounds(block.timestamps)[0] for block in blocks)
    return known.goes_on(identity.session, first_ms) or not any(np.isnan(block.steps).any() for block in blocks)


def _is_written(batch: BatchWrite) -> bool:
    try:
        return write_batch(batch)
    except DatabaseError:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        return False


def _blocks(columns: PointColumns, known: memory.RunMemory) -> list[SeriesColumns] | None:
    """The request's columns as they are stored, or None if anything about them needs a closer look."""
    blocks = []
    for block, ids in ((columns.floats, known.floats), (columns.texts, known.texts)):
        if block is None or not block.paths:
            continue
        found = _block(block, ids)
        if found is None:
            return None
        blocks.append(found)
    return blocks or None


def _block(block: FloatBlock | TextBlock, known: Mapping[str, int]) -> SeriesColumns | None:
    try:
        ids = [known[path] for path in block.paths]
    except KeyError:
        return None
    timestamps = block.timestamps
    if not len(timestamps):
        return None
    first_ms, last_ms = bounds(timestamps)
    if first_ms < 0 or last_ms > MAX_TIMESTAMP_MS:
        return None
    steps = _rounded(block.steps)
    values = block.values if isinstance(block, FloatBlock) else _lines(block.values)
    if steps is None or values is None:
        return None
    return SeriesColumns(np.array(ids, np.int64), np.asarray(block.counts, np.int64), steps, timestamps, values)


def _rounded(steps: Floats) -> Floats | None:
    """Steps as they are stored (see services/points.py), or None if one is out of range."""
    if np.isnan(steps).all():  # as nearly all are: to be numbered by the store
        return steps
    magnitude = np.abs(steps)
    if bool((magnitude > MAX_STEP).any()):
        return None
    rounded: Floats = np.round(steps, STEP_DECIMALS) + 0.0
    return rounded


def _lines(values: Sequence[str]) -> list[bytes] | None:
    try:
        lines = [line.encode() for line in values]
    except UnicodeEncodeError:
        return None
    return None if max(map(len, lines), default=0) > MAX_TEXT_BYTES else lines
