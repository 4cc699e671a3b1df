"""What a series is, and the small interface through which everything outside runs/series/ reads and writes one.

Terms and promises
- A *series* belongs to (run, definition). A *point* has a step (float64), a timestamp (int64 ms) and a value: a
  float64, in which NaN and the infinities are ordinary, or a string.
- Within a series a step occurs once: of several points with one step the last one committed wins.
- Points are ordered by step, whatever order they came in.
- A point logged without a step gets the next one: the largest step so far plus one, or 0. It is given in the order in
  which batches were committed, is the same whether read before or after a flush, and never changes.
- Appending takes part in the caller's transaction: what was committed can be read at once, by every process.
- Repeating a batch changes nothing (see `PointBatch.identity`).
- Down-sampled reads are deterministic, keep the first and the last point, and in every bucket the true minimum and
  maximum with their own steps and timestamps. Asked for no more points than fit the budget, they are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from runs.models import Run

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FloatColumns:
    """Points of one float series in the order logged. A NaN in `steps` stands for "the next step"."""

    steps: Floats
    timestamps: Integers
    values: Floats

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True, slots=True)
class StringColumns:
    """Points of one string series in the order logged. A NaN in `steps` stands for "the next step"."""

    steps: Floats
    timestamps: Integers
    values: Sequence[str]

    def __len__(self) -> int:
        return len(self.steps)


class Examination(StrEnum):
    """How points without a step and without a number are compared with what is stored; see repeats.py."""

    NONE = "none"  # the client's session has logged before: it sends on where it was
    FIRST = "first"  # the first points of a session: they may repeat a batch of the session before
    REPEATING = "repeating"  # the session has sent nothing but repetitions so far
    BY_CONTENT = "content"  # the sender names no session


@dataclass(frozen=True, slots=True)
class PointBatch:
    """The points of one request, by definition id.

    `writer` and `seq` identify a numbered batch (`writer` is Writer.number, from 1). With `writer` 0 the batch has no
    number: `seq` is then any value unique in the run, and points that were stored before are recognised by content, as
    closely as `examination` says.
    """

    run_id: int
    writer: int
    seq: int
    floats: Mapping[int, FloatColumns] = field(default_factory=dict)
    strings: Mapping[int, StringColumns] = field(default_factory=dict)
    examination: Examination = Examination.BY_CONTENT


class Axis(StrEnum):
    """What positions of a chart are: steps, milliseconds since 1970, or milliseconds since the run began: since its
    start, or the earliest timestamp of the series where that is earlier (see SeriesSlice.origin)."""

    STEP = "step"
    TIME = "time"
    RELATIVE = "relative"


@dataclass(frozen=True, slots=True)
class SeriesKey:
    run_id: int
    definition_id: int


@dataclass(frozen=True, slots=True)
class SeriesSlice:
    """Points of one float series, ordered by step.

    `total` counts the points stored in the range asked for, `len(steps)` those returned; `is_exact` says whether they
    are all of them. `cursor` is opaque: passed to `read_since` it asks for what was added after this answer. `origin`
    is the moment (ms) that the relative axis of this series counts from.
    """

    key: SeriesKey
    steps: Floats
    timestamps: Integers
    values: Floats
    total: int
    is_exact: bool
    cursor: str = ""
    origin: int = 0


@dataclass(frozen=True, slots=True)
class StringPage:
    """Lines of one string series, ordered by step. `total` counts all lines of the series."""

    steps: Floats
    timestamps: Integers
    values: Sequence[str]
    total: int


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """Minimum, maximum, total and sum_squares are over finite values; `last` is the value at the largest step (a string
    for string series)."""

    count: int
    finite_count: int
    last: float | str | None
    last_step: float | None
    last_ms: int | None
    minimum: float | None
    maximum: float | None
    total: float
    sum_squares: float

    @property
    def mean(self) -> float | None:
        return self.total / self.finite_count if self.finite_count else None

    @property
    def variance(self) -> float | None:
        """Population variance of the finite values."""
        if not self.finite_count:
            return None
        mean = self.total / self.finite_count
        return max(0.0, self.sum_squares / self.finite_count - mean * mean)


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: points new to the store, and, for batches without a number, the `heads` that ReceivedBatch
    remembers. `is_repetition` says that the batch has points without a step and all of them were stored before."""

    point_count: int
    heads: bytes = b""
    is_repetition: bool = False


class SeriesStore(Protocol):
    """Where points live. The implementation is runs/series/store.py; the contract is tested in tests/runs/series/."""

    def append(self, batch: PointBatch, locked: Run | None = None) -> Appended:
        """Add a batch inside the caller's transaction.

        With `locked`, the caller holds the lock on the run's row, this is what the row says, a numbered batch is known
        to be new, and the caller updates the row's `last_point_ms`.
        """

    def read(
        self,
        keys: Sequence[SeriesKey],
        *,
        max_points: int,
        first: float | None = None,
        last: float | None = None,
        axis: Axis = Axis.STEP,
        starts: Mapping[int, int] | None = None,
    ) -> list[SeriesSlice]:
        """At most `max_points` points of each float series with `first` <= position <= `last` on the axis (ms for
        TIME and RELATIVE), in the order of `keys`. A series that does not exist is empty. `starts` says when runs
        began (ms by run id). The number of queries does not depend on that of the series."""

    def read_since(self, wanted: Sequence[tuple[SeriesKey, str]], *, max_points: int) -> list[SeriesSlice | None]:
        """For each float series and cursor the first `max_points` points added after the cursor was given out, or None
        when earlier points changed too and the reader must read the range again. The number of queries does not depend
        on that of the series."""

    def read_page(self, key: SeriesKey, *, offset: int, limit: int) -> SeriesSlice:
        """Points number `offset` to `offset + limit - 1` by step, exact; `total` counts the whole series."""

    def read_strings(self, key: SeriesKey, *, offset: int, limit: int) -> StringPage:
        """As read_page, for a string series. A negative offset counts from the end."""

    def scan(self, keys: Sequence[SeriesKey]) -> Iterator[list[tuple[SeriesKey, FloatColumns]]]:
        """All points of float series, in the order of `keys` and by step, in pieces of at most about 270,000 points.
        Between two pieces no transaction is open."""

    def scan_strings(self, key: SeriesKey) -> Iterator[StringColumns]:
        """All lines of a string series by step, a few megabytes at a time, likewise."""

    def summaries(self, run_id: int, definition_ids: Sequence[int] | None = None) -> dict[int, SeriesSummary]:
        """What is known of the run's float and string series (or of those asked for), the latest points included."""

    def delete(self, run_id: int, definition_ids: Sequence[int]) -> None:
        """Remove all points of the series, in the caller's transaction. Points appended later stand alone."""

    def flush(self, run_id: int) -> int:
        """Move logged batches into chunks and write the summaries to the attribute rows; returns the points moved.
        Safe to run at any time and in several processes at once."""
