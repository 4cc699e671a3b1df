"""How a series lies before its readers: chunks in step order, late points merged into them, new points at the end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from django.db.models import Q, QuerySet

from runs.models import Chunk
from runs.series import bulk, chunks
from runs.series.points import Points, by_step, joined, no_points

_LATE_AT_ONCE = 50


class ChunkFacts(NamedTuple):
    """A chunk without its bytes."""

    id: int
    run_id: int
    definition_id: int
    first_step: float
    last_step: float
    first_ms: int
    last_ms: int
    point_count: int
    level: int
    codec: int
    checksum: int
    generation: int


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A stretch of a series: a chunk, a chunk with `extra` points to be merged into it (the later ones win), or points
    that are in no chunk yet. Segments of a series do not overlap and are ordered by step."""

    chunk: ChunkFacts | None
    extra: Points | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the chunk alone says all: its facts can be trusted without loading it."""
        return self.chunk is not None and self.extra is None

    @property
    def last_step(self) -> float:
        steps = [self.chunk.last_step] if self.chunk else []
        if self.extra is not None and len(self.extra):
            steps.append(float(self.extra.steps[-1]))
        return max(steps)

    def load(self, data: Mapping[int, bytes]) -> Points:
        """The points; `data` has the bytes of the chunks by id."""
        if self.chunk is None:
            return self.extra if self.extra is not None else no_points()
        # A chunk that vanished between two queries can only be a damaged database: read what there is.
        stored = chunks.decode(self.chunk, data[self.chunk.id]) if self.chunk.id in data else no_points()
        if self.extra is None:
            return stored
        return by_step(joined([stored, self.extra])) if len(stored) else self.extra


def lay_out(series: Sequence[ChunkFacts], new: Points) -> list[Segment]:
    """The segments of a series of which these chunks (in step order) are stored and these points (in step order) new.

    A point beyond the last chunk goes to the end; any other belongs to the chunk that begins at or before it, or to the
    first one.
    """
    if not len(new):
        return [Segment(chunk) for chunk in series]
    if not series:
        return [Segment(None, new)]
    late_count = int(np.searchsorted(new.steps, series[-1].last_step, side="right"))
    late, beyond = new[:late_count], new[late_count:]
    segments = list(_with_late(series, late))
    return [*segments, Segment(None, beyond)] if len(beyond) else segments


def _with_late(series: Sequence[ChunkFacts], late: Points) -> Iterator[Segment]:
    bounds = np.searchsorted(late.steps, [chunk.first_step for chunk in series[1:]], side="left").tolist()
    for chunk, start, end in zip(series, [0, *bounds], [*bounds, len(late)], strict=True):
        yield Segment(chunk, late[start:end] if end > start else None)


def chunk_facts(rows: QuerySet[Chunk]) -> dict[tuple[int, int], list[ChunkFacts]]:
    """The chunks of a query without their bytes, by (run, definition) and in step order."""
    found: dict[tuple[int, int], list[ChunkFacts]] = {}
    for row in rows.order_by("run_id", "definition_id", "first_step").values_list(*ChunkFacts._fields):
        facts = ChunkFacts(*row)
        found.setdefault((facts.run_id, facts.definition_id), []).append(facts)
    return found


def open_chunks(run_id: int, definition_ids: Sequence[int]) -> dict[int, list[ChunkFacts]]:
    """The open chunks of these series in step order."""
    found: dict[int, list[ChunkFacts]] = {}
    order = f"AND level = {chunks.OPEN} ORDER BY first_step"
    for row in bulk.select(Chunk._meta.db_table, ChunkFacts._fields, run_id, definition_ids, order):
        facts = ChunkFacts(*row)
        found.setdefault(facts.definition_id, []).append(facts)
    return found


def late_chunks(run_id: int, since: Mapping[int, float]) -> dict[tuple[int, int], list[ChunkFacts]]:
    """The chunks of series by definition id from some step on, to which points came late."""
    found: dict[tuple[int, int], list[ChunkFacts]] = {}
    for some in slices(since, _LATE_AT_ONCE):
        condition = Q()
        for pk in some:
            condition |= Q(definition_id=pk, last_step__gte=since[pk])
        found.update(chunk_facts(Chunk.objects.filter(condition, run_id=run_id)))
    return found


def load_data(segments: Iterable[Segment]) -> dict[int, bytes]:
    """The bytes of the chunks of these segments, by chunk id."""
    return read_data([segment.chunk.id for segment in segments if segment.chunk is not None])


def read_data(ids: Sequence[int]) -> dict[int, bytes]:
    return dict(bulk.read_blobs(Chunk._meta.db_table, "data", ids))


def slices(ids: Collection[int], size: int) -> Iterator[list[int]]:
    """The ids in lists of at most `size`: databases limit the parameters of one statement."""
    ordered = list(ids)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
