"""The rows of the log that a request's points become.

The columns of a request are never taken apart on their way into the log: only a request over the limits of one row is
cut, and then at any point, since the order within each series stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from runs.series import payload
from runs.series.points import Points, SeriesColumns, bounds, joined

ROW_POINTS = 40_000
ROW_BYTES = 1_000_000
_POSITION_BYTES = 16


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the log to be: what BatchLog keeps beside the identity of its batch."""

    point_count: int
    first_ms: int
    last_ms: int
    payload: bytes


EMPTY_ROW = LogRow(0, 0, 0, b"")


def columns_of(series: Mapping[int, Points]) -> list[SeriesColumns]:
    """Points by definition id as columns: float series first, then string series; without points, nothing."""
    found = []
    for is_text in (False, True):
        some = {pk: points for pk, points in series.items() if points.is_text is is_text and len(points)}
        if not some:
            continue
        points = joined(list(some.values()))
        found.append(
            SeriesColumns(
                np.array(list(some), np.int64),
                np.array([len(each) for each in some.values()], np.int64),
                points.steps,
                points.timestamps,
                payload.lines(points.values) if is_text else points.values,
            )
        )
    return found


def log_rows(blocks: Sequence[SeriesColumns]) -> list[LogRow]:
    """The rows for these columns: one, unless they are over the limits of a row."""
    blocks = [block for block in blocks if len(block)]
    if not blocks:
        return []
    if sum(map(len, blocks)) <= ROW_POINTS and sum(map(_weight, blocks)) <= ROW_BYTES:
        return [_row(blocks)]
    return [_row([part]) for block in blocks for part in _parts(block)]


def _row(blocks: Sequence[SeriesColumns]) -> LogRow:
    moments = [bounds(block.timestamps) for block in blocks]
    return LogRow(
        sum(map(len, blocks)),
        min(first_ms for first_ms, _ in moments),
        max(last_ms for _, last_ms in moments),
        payload.encode(blocks),
    )


def _weight(block: SeriesColumns) -> int:
    values = 8 * len(block) if not block.is_text else sum(map(len, block.values))
    return values + _POSITION_BYTES * len(block)


def _parts(block: SeriesColumns) -> Iterator[SeriesColumns]:
    """The columns in parts that keep to the limits of a row (a single line may be heavier)."""
    if block.is_text:
        weights = np.cumsum([len(line) + _POSITION_BYTES for line in block.values])
    else:
        weights = np.arange(1, len(block) + 1) * (8 + _POSITION_BYTES)
    bounds = [0]
    while bounds[-1] < len(block):
        start = bounds[-1]
        before = int(weights[start - 1]) if start else 0
        end = int(np.searchsorted(weights, before + ROW_BYTES, side="right"))
        bounds.append(min(max(end, start + 1), start + ROW_POINTS))
    for start, end in pairwise(bounds):
        yield block.part(start, end)
