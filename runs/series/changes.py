"""What a flush is going to write, gathered in columns: chunks to remove and to add, and summaries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runs.models import Chunk
from runs.series import bulk, chunks
from runs.series.base import Integers
from runs.series.chunks import FULL
from runs.series.points import Points
from runs.series.quarantine import set_aside
from runs.series.rollups import COARSE, FINE, outline, rollup
from runs.series.statistics import statistics
from runs.series.summary import Summary, write_summaries

_NO_FACTS = (None,) * len(bulk.FACT_COLUMNS)
_BYTES_AT_ONCE = 8_000_000


@dataclass(slots=True)
class FloatSummaries:
    """New summaries of float series: the ids of their attribute rows, and bulk.SUMMARY_COLUMNS."""

    ids: Integers
    columns: dict[str, NDArray[Any]]


@dataclass(slots=True)
class Changes:
    """`removed` and `damaged` are chunk ids; `chunks` are rows of definition id and the other columns of a chunk in the
    order of bulk.insert_chunks."""

    removed: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    chunks: list[tuple[Any, ...]] = field(default_factory=list)
    float_summaries: list[FloatSummaries] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)

    def add_chunk(self, definition_id: int, points: Points, *, level: int, generation: int) -> None:
        """Add a chunk of points in step order."""
        codec, data = chunks.encode(points, level=level)
        facts: Sequence[float | None] = _NO_FACTS
        rollups: tuple[bytes | None, ...] = (None, None, None)
        if level == FULL and not points.is_text:
            figures = statistics(points)
            facts = figures.finite_count, figures.minimum, figures.maximum, figures.total, figures.sum_squares
            rollups = outline(points), rollup(points, COARSE), rollup(points, FINE)
        self.chunks.append(
            (
                definition_id,
                float(points.steps[0]),
                generation,
                float(points.steps[-1]),
                int(points.timestamps.min()),
                int(points.timestamps.max()),
                len(points),
                level,
                int(codec),
                chunks.checksum(data),
                *facts,
                *rollups,
                data,
            )
        )

    def write(self, run_id: int) -> None:
        """Write all of it, in the caller's transaction."""
        set_aside(self.damaged)
        bulk.delete(Chunk._meta.db_table, self.removed)
        for some in _portions(self.chunks):
            bulk.insert_chunks(run_id, list(zip(*some, strict=True)))
        for each in self.float_summaries:
            bulk.update_summaries(each.ids, each.columns)
        write_summaries(self.summaries)


def _portions(rows: Sequence[tuple[Any, ...]]) -> Iterable[Sequence[tuple[Any, ...]]]:
    """The rows in portions of a few megabytes."""
    if not rows:
        return
    ends = np.cumsum([len(row[-1]) for row in rows])
    numbers = ends // _BYTES_AT_ONCE
    starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
    for start, end in pairwise(starts):
        yield rows[start:end]
