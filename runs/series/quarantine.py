"""Chunks whose bytes no longer fit their checksum: they are kept, but out of the way of the series' other points."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping

from runs.models import Chunk, DamagedChunk
from runs.series import chunks
from runs.series.layout import Segment

logger = logging.getLogger(__name__)

_FIELDS = (
    "run_id",
    "definition_id",
    "first_step",
    "last_step",
    "first_ms",
    "last_ms",
    "point_count",
    "codec",
    "checksum",
    "data",
)


def find_damaged(segments: Iterable[Segment], data: Mapping[int, bytes]) -> list[int]:
    """The ids of those chunks whose bytes are in `data` and damaged."""
    found = [segment.chunk for segment in segments if segment.chunk is not None and segment.chunk.id in data]
    return [chunk.id for chunk in found if chunks.checksum(data[chunk.id]) != chunk.checksum]


def set_aside(ids: Collection[int]) -> None:
    """Move damaged chunks out of their series, in the caller's transaction, and report each: this happens once."""
    for row in Chunk.objects.filter(pk__in=ids):
        DamagedChunk.objects.create(**{name: getattr(row, name) for name in _FIELDS})
        logger.error(
            "A chunk of run %d is damaged: %d points of series %d, steps %g to %g, are lost. Its bytes were set aside.",
            row.run_id,
            row.point_count,
            row.definition_id,
            row.first_step,
            row.last_step,
        )
    if ids:
        Chunk.objects.filter(pk__in=ids).delete()
