"""Which numbered batches of a writer have been received.

Below the watermark (`Writer.last_seq`) all have, except the numbers in `Writer.gaps`: those that were passed over
because many later batches came without them. A writer has one batch on its way at a time, so a gap is usually a batch
that was refused for good; should it come after all, it is taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from projects.rows import fetch, is_postgresql, uuid_parameter
from runs.models import BatchLog, Writer

MAX_GAPS = 1000
_WRITER = Writer._meta.db_table
_FIND = f"SELECT number, last_seq, gaps FROM {_WRITER} WHERE run_id = %s AND uuid = %s"  # noqa: S608 - own names
_ADD = (
    f"INSERT INTO {_WRITER} (run_id, uuid, number, last_seq, gaps) "  # noqa: S608
    f"SELECT %s, %s, COALESCE(MAX(number), 0) + 1, 0, {{empty}} FROM {_WRITER} WHERE run_id = %s RETURNING number"
)


@dataclass(frozen=True, slots=True)
class KnownWriter:
    """What is known of a writer. The lock on its run was held when it was read, and is held still."""

    run_id: int
    number: int
    last_seq: int
    gaps: Sequence[Sequence[int]]
    is_new: bool = False

    def has_received(self, seq: int) -> bool:
        """Whether the batch came before: it waits in the log, or lies below the watermark and was not passed over."""
        if seq <= self.last_seq:
            return not _is_in(self.gaps, seq)
        return not self.is_new and BatchLog.objects.filter(run_id=self.run_id, writer=self.number, seq=seq).exists()

    def close_gap(self, seq: int) -> None:
        """Note that a batch has come, should it have been passed over."""
        if self.gaps:
            close_gap(self.run_id, self.number, seq)


def writer_of(run_id: int, uuid: UUID) -> KnownWriter:
    """A writer of a run; it is given its number on first sight. The caller holds the lock on the run."""
    sent = uuid_parameter(uuid)
    for number, last_seq, gaps in fetch(_FIND, [run_id, sent]):
        return KnownWriter(run_id, number, last_seq, json.loads(gaps) if isinstance(gaps, str) else gaps)
    empty = "CAST('[]' AS jsonb)" if is_postgresql() else "'[]'"
    ((number,),) = fetch(_ADD.format(empty=empty), [run_id, sent, run_id])
    return KnownWriter(run_id, number, 0, (), is_new=True)


def has_received(run_id: int, number: int, seq: int) -> bool:
    """Whether the batch lies below the writer's watermark and was not passed over."""
    row = Writer.objects.filter(run_id=run_id, number=number).values_list("last_seq", "gaps").first()
    if row is None:
        return False
    last_seq, gaps = row
    return seq <= last_seq and not _is_in(gaps, seq)


def _is_in(gaps: Sequence[Sequence[int]], seq: int) -> bool:
    return any(first <= seq <= last for first, last in gaps)


def close_gap(run_id: int, number: int, seq: int) -> None:
    """Note that a batch that was passed over has come. The caller holds the lock on the run."""
    writer = Writer.objects.filter(run_id=run_id, number=number).first()
    if writer is None:
        return
    gaps = [piece for gap in writer.gaps for piece in _without(gap, seq)]
    if gaps != writer.gaps:
        writer.gaps = gaps
        writer.save(update_fields=["gaps"])


def _without(gap: list[int], seq: int) -> list[list[int]]:
    first, last = gap
    if not first <= seq <= last:
        return [gap]
    return [[start, end] for start, end in ([first, seq - 1], [seq + 1, last]) if start <= end]


def advance(writer: Writer, done: Iterable[int], patience: int) -> None:
    """Move the watermark over the numbers in `done` that follow it, and over a gap once more than `patience` batches
    came after it. Does not save."""
    ahead = sorted(seq for seq in done if seq > writer.last_seq)
    for position, seq in enumerate(ahead):
        if seq > writer.last_seq + 1:
            if len(ahead) - position <= patience:
                return
            writer.gaps = [*writer.gaps, [writer.last_seq + 1, seq - 1]][-MAX_GAPS:]
        writer.last_seq = seq
