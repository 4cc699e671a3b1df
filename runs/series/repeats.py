"""Recognising points that are sent again in batches without a number.

A client of the Neptune wire that crashed sends its queue again, from an operation that may have been stored and cut
into batches elsewhere than before. The points in such a batch carry no number either: a point is known by its
timestamp and value only, and logging one value several times within a millisecond is legitimate. So equal points alone
prove nothing.

Clients name their session, and only the first points of a session can be such a repetition: they begin where a batch of
an earlier session began, which was stored but whose answer was lost. So a first batch counts as sent again when it
begins as an earlier batch did, and every point up to the end of the shorter of the two is stored in the same order,
without another in between. Once a session sent something new, it is not examined any more. While all it sent was
stored already (its first batch was cut shorter than the earlier one), series whose first point is stored are compared.

For a sender without a session, every batch is examined. The series of a batch whose first point is stored already count
as sent again when

- one of them goes on, after its first millisecond, with a point that is stored too: the queue went back in time; or
- the batch begins as an earlier one did, the queue being cut later this time: every series of the earlier batch begins
  with the very same point here and has at least as many points.

What counts as sent again is compared: every (timestamp, value) is kept as often as it exceeds the copies stored, the
first ones of the batch being taken for the repeated ones. Otherwise nothing is dropped.

Points with a step of their own are never dropped. Writing one again changes nothing, and where a step was overwritten,
sending the queue again to its end writes the later value again too.

What remains undecided without a session, because the clients stamp a whole list of values with one timestamp: a list of
equal values, logged in one call, of which the first few went into one batch and the many others into the next, and
nothing else into the first, looks like that batch cut later. And a batch sent again that begins in the very last
millisecond stored of a series, at a point where no batch began before, is taken for new.
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from runs.models import BatchLog, Chunk, ReceivedBatch
from runs.series.base import Examination, Floats, Integers
from runs.series.layout import Segment, chunk_facts, load_data, slices
from runs.series.points import Points, SeriesColumns
from runs.series.rows import columns_of
from runs.series.tail import collect

# How long a client may take to send a batch again.
MEMORY = timedelta(days=1)
MAX_HEADS = 16
_ENTRY = np.dtype([("head", "<u8"), ("count", "<u4")])  # how a series begins in a batch, and its points without a step
_HEAD = struct.Struct("<QI")  # an entry
_PRIMES = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
_MIX = tuple(np.uint64(prime) for prime in _PRIMES)
_WORD = 2**64 - 1
_FEW = 12
_DEFINITIONS_AT_ONCE = 500

Mark: TypeAlias = tuple[int, int | str]  # timestamp, and the bits of a float or a line: what a point is known by


@dataclass(slots=True)
class Stored:
    """The points stored of one series since some time."""

    copies: Counter[Mark] = field(default_factory=Counter)
    order: list[Mark] = field(default_factory=list)

    def add(self, points: Points) -> None:
        """Add points that came after those added before."""
        if len(points):
            marks = _marks(points)
            self.copies.update(marks)
            self.order += marks

    def has(self, points: Points) -> bool:
        """Whether these points (one at least) are stored one right after the other."""
        marks = _marks(points)
        position = -1
        while True:
            try:
                position = self.order.index(marks[0], position + 1)
            except ValueError:
                return False
            if self.order[position : position + len(marks)] == marks:
                return True


def heads(blocks: Sequence[SeriesColumns]) -> bytes:
    """Twelve bytes for each of the first series that have points without a step: how it begins, and how many they are.
    A batch that holds them all again, and more, begins as this one did; so some of its series are enough."""
    if all(len(block) <= _FEW and not block.is_text for block in blocks):
        return b"".join(map(_few_entries, map(_unnumbered_columns, blocks)))
    found = [_entries(block)[1][:MAX_HEADS] for block in map(_unnumbered_columns, blocks) if len(block)]
    return np.concatenate(found)[:MAX_HEADS].tobytes() if found else b""


def _entries(block: SeriesColumns) -> tuple[Integers, NDArray[np.void]]:
    """The definition ids of the series, and their heads and counts."""
    inside = block.counts > 0
    ids, counts = block.definition_ids[inside], block.counts[inside]
    firsts = np.cumsum(counts) - counts
    if isinstance(block.values, np.ndarray):
        values = block.values[firsts].view(np.uint64)
    else:
        digests = (hashlib.blake2b(block.values[first], digest_size=8).digest() for first in firsts.tolist())
        values = np.frombuffer(b"".join(digests), np.uint64)
    entries = np.empty(len(ids), _ENTRY)
    entries["head"], entries["count"] = _mixed(ids, block.timestamps[firsts], values), counts
    return ids, entries


def _few_entries(block: SeriesColumns) -> bytes:
    """What _entries gives of a few floats. One by one: for fewer than a dozen, NumPy takes three times as long."""
    timestamps, bits = block.timestamps.tolist(), block.values.view(np.uint64).tolist()  # type: ignore[union-attr]
    first, found = 0, []
    for definition_id, count in zip(block.definition_ids.tolist(), block.counts.tolist(), strict=True):
        if count:
            mixed = 0
            for part, prime in zip((definition_id, timestamps[first], bits[first]), _PRIMES, strict=True):
                mixed = (mixed ^ (part & _WORD)) * prime & _WORD
                mixed ^= mixed >> 29
            found.append(_HEAD.pack(mixed, count))
        first += count
    return b"".join(found)


def _mixed(*columns: NDArray[Any]) -> NDArray[np.uint64]:
    """A number for each row that differs where the rows differ, as good as always."""
    mixed = np.zeros(len(columns[0]), np.uint64)
    for column, prime in zip(columns, _MIX, strict=True):
        mixed = (mixed ^ column.view(np.uint64)) * prime
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _chosen(values: Floats | Sequence[bytes], positions: Integers) -> Floats | Sequence[bytes]:
    if isinstance(values, np.ndarray):
        return values[positions]
    return [values[position] for position in positions.tolist()]


def _unnumbered_columns(block: SeriesColumns) -> SeriesColumns:
    """The points without a step."""
    missing = np.isnan(block.steps)
    if missing.all():
        return block
    positions = np.flatnonzero(missing)
    series = np.repeat(np.arange(len(block.counts)), block.counts)[positions]
    return SeriesColumns(
        block.definition_ids,
        np.bincount(series, minlength=len(block.counts)),
        block.steps[positions],
        block.timestamps[positions],
        _chosen(block.values, positions),
    )


def without_repeats(
    run_id: int, series: Mapping[int, Points], last_point_ms: int, examination: Examination
) -> dict[int, Points]:
    """The points that are new. The caller holds the lock on the run; `last_point_ms` is its newest timestamp so far."""
    if examination is Examination.NONE:
        return dict(series)
    suspects = {
        pk: points for pk, points in _unnumbered(series).items() if int(points.timestamps.min()) <= last_point_ms
    }
    if not suspects:
        return dict(series)
    stored = _stored(run_id, suspects)
    known = {pk: points for pk, points in suspects.items() if stored[pk].copies[_marks(points[:1])[0]]}
    if known:
        known = _repeated(run_id, series, known, stored, examination)
    return {pk: _drop(points, stored[pk].copies) if pk in known else points for pk, points in series.items()}


def _repeated(
    run_id: int,
    series: Mapping[int, Points],
    known: dict[int, Points],
    stored: Mapping[int, Stored],
    examination: Examination,
) -> dict[int, Points]:
    """Those of the `known` series, whose first point is stored, that count as sent again."""
    if examination is Examination.REPEATING:
        return known
    if examination is Examination.FIRST:
        return known if _repeats_a_batch(run_id, series, stored) else {}
    if any(_goes_back(points, stored[pk]) for pk, points in known.items()):
        return known
    begun = _begun_series(run_id, series)
    return {pk: points for pk, points in known.items() if pk in begun}


def is_repetition(series: Mapping[int, Points], new: Mapping[int, Points]) -> bool:
    """Whether there are points without a step, none of which is new."""
    return bool(_unnumbered(series)) and not _unnumbered(new)


def _unnumbered(series: Mapping[int, Points]) -> dict[int, Points]:
    """The points without a step, of the series that have any."""
    found = {pk: points[np.isnan(points.steps)] for pk, points in series.items()}
    return {pk: points for pk, points in found.items() if len(points)}


def _goes_back(points: Points, stored: Stored) -> bool:
    """Whether the points go on, after their first millisecond, with one that is stored too. That later points are
    stored is not enough: another process may have logged them to the same series."""
    later = points[points.timestamps > points.timestamps[0]]
    return bool(len(later)) and stored.copies[_marks(later[:1])[0]] > 0


def _drop(points: Points, stored: Counter[Mark]) -> Points:
    """The points without the first copies of those stored."""
    remaining = stored.copy()
    keep = np.ones(len(points), bool)
    for index, mark in zip(np.flatnonzero(np.isnan(points.steps)), _marks(points[np.isnan(points.steps)]), strict=True):
        if remaining[mark] > 0:
            remaining[mark] -= 1
            keep[index] = False
    return points[keep]


def _marks(points: Points) -> list[Mark]:
    # Bits, since NaN is a value like any other here.
    values = points.values.tolist() if points.is_text else points.values.view(np.int64).tolist()
    return list(zip(points.timestamps.tolist(), values, strict=True))


def _stored(run_id: int, suspects: Mapping[int, Points]) -> dict[int, Stored]:
    """What is stored of each series from the first timestamp that the batch has of it."""
    since = {pk: int(points.timestamps.min()) for pk, points in suspects.items()}
    found = {pk: Stored() for pk in since}
    for some in slices(since, _DEFINITIONS_AT_ONCE):
        _add_chunks(run_id, {pk: since[pk] for pk in some}, found)
    rows = BatchLog.objects.filter(run_id=run_id, point_count__gt=0, last_ms__gte=min(since.values())).order_by("id")
    logged = collect(rows.values_list("run_id", "id", "payload").iterator(chunk_size=16), since.keys())
    for (_, pk), series in logged.items():
        points = series.points
        found[pk].add(points[np.isnan(points.steps) & (points.timestamps >= since[pk])])
    return found


def _add_chunks(run_id: int, since: Mapping[int, int], found: dict[int, Stored]) -> None:
    rows = Chunk.objects.filter(run_id=run_id, definition_id__in=since, last_ms__gte=min(since.values()))
    for (_, pk), series in chunk_facts(rows).items():
        segments = [Segment(chunk) for chunk in series if chunk.last_ms >= since[pk]]
        for segment in segments:
            points = segment.load(load_data([segment]))
            found[pk].add(points[points.timestamps >= since[pk]])


def _begun_series(run_id: int, series: Mapping[int, Points]) -> set[int]:
    """The series of those earlier batches that this one begins with. Of a batch with many series only some are known;
    then all whose first point is as old count."""
    heads_of, firsts = _heads_by_series(series)
    counts = dict(heads_of.values())
    begun: set[int] = set()
    for earlier, last_ms in _earlier_batches(run_id, firsts.values()):
        if _is_longer(counts, earlier):
            begun.update(pk for pk, (head, _) in heads_of.items() if head in earlier)
            if len(earlier) == MAX_HEADS:
                begun.update(pk for pk, first in firsts.items() if first <= last_ms)
    return begun


def _repeats_a_batch(run_id: int, series: Mapping[int, Points], stored: Mapping[int, Stored]) -> bool:
    """Whether the batch begins as an earlier one and goes on as that one did, to its end or to the end of this one."""
    heads_of, firsts = _heads_by_series(series)
    counts = dict(heads_of.values())
    first_head = next(iter(counts))
    unnumbered = _unnumbered(series)
    for earlier, _ in _earlier_batches(run_id, firsts.values()):
        common = {pk: head for pk, (head, _) in heads_of.items() if head in earlier}
        is_shorter = first_head in earlier and all(counts[head] <= earlier[head] for head in common.values())
        if not common or not (is_shorter or _is_longer(counts, earlier)):
            continue
        if all(
            pk in stored and stored[pk].has(unnumbered[pk][: min(counts[head], earlier[head])])
            for pk, head in common.items()
        ):
            return True
    return False


def _is_longer(counts: Mapping[int, int], earlier: Mapping[int, int]) -> bool:
    """Whether a batch, of which the points by head are given, has all that is remembered of an earlier one."""
    return all(counts.get(head, 0) >= count for head, count in earlier.items())


def _earlier_batches(run_id: int, firsts: Collection[int]) -> Iterator[tuple[dict[int, int], int]]:
    """The points by head, and the last timestamp, of batches that could begin as one with these first timestamps."""
    rows = ReceivedBatch.objects.filter(
        run_id=run_id,
        received_at__gte=timezone.now() - MEMORY,
        last_ms__gte=min(firsts),
        first_ms__lte=max(firsts),
    )
    for joined, last_ms in rows.values_list("heads", "last_ms").iterator(chunk_size=64):
        earlier = dict(np.frombuffer(bytes(joined), _ENTRY).tolist())
        if earlier:
            yield earlier, last_ms


def _heads_by_series(series: Mapping[int, Points]) -> tuple[dict[int, tuple[int, int]], dict[int, int]]:
    """(head, count) and first timestamp of each series that has points without a step."""
    heads_of: dict[int, tuple[int, int]] = {}
    unnumbered = _unnumbered(series)
    firsts = {pk: int(points.timestamps[0]) for pk, points in unnumbered.items()}
    for block in columns_of(unnumbered):
        ids, entries = _entries(block)
        heads_of.update(zip(ids.tolist(), entries.tolist(), strict=True))
    return heads_of, firsts
