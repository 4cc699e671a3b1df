"""Which numbered batches of a writer have been received.

Below the watermark (`Writer.last_seq`) all have, except the numbers in `Writer.gaps`: those that were passed over
because
many later batches came without them. A writer has one batch on its way at a time, so a gap is usually a batch that was
refused for good; should it come after all, it is taken.
"""

from __future__ import annotations

from collections.abc import Iterable

from runs.models import Writer

MAX_GAPS = 1000


def has_received(run_id: int, number: int, seq: int) -> bool:
    """Whether the batch lies below the writer's watermark and was not passed over."""
    row = Writer.objects.filter(run_id=run_id, number=number).values_list("last_seq", "gaps").first()
    if row is None:
        return False
    last_seq, gaps = row
    return seq <= last_seq and not any(first <= seq <= last for first, last in gaps)


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
