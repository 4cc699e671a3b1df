"""Recognising points that are sent again in batches without a number.

A client of the Neptune wire that crashed sends its queue again, from an operation that may have been stored and cut
into batches elsewhere than before. The points in such a batch carry no number either: a point is known by its
timestamp and value only, and logging one value several times within a millisecond is legitimate. So equal points alone
prove nothing. The series of a batch whose first point is stored already count as sent again when

- one of them goes on, after its first millisecond, with a point that is stored too: the queue went back in time; or
- the batch begins as an earlier one did, the queue being cut later this time: every series of the earlier batch begins
  with the very same point here and has at least as many points.

Then every (timestamp, value) is kept as often as it exceeds the copies stored, the first ones of the batch being taken
for the repeated ones. Otherwise nothing is dropped.

Points with a step of their own are never dropped. Writing one again changes nothing, and where a step was overwritten,
sending the queue again to its end writes the later value again too.

What remains undecided, because the clients stamp a whole list of values with one timestamp: a list of equal values,
logged in one call, of which the first few went into one batch and the many others into the next, and nothing else into
the first, looks like that batch cut later. And a batch sent again that begins in the very last millisecond stored of a
series, at a point where no batch began before, is taken for new.
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

import numpy as np
from django.utils import timezone

from runs.models import BatchLog, Chunk, ReceivedBatch
from runs.series.layout import Segment, chunk_facts, load_data, slices
from runs.series.points import Points
from runs.series.tail import collect

# How long a client may take to send a batch again.
MEMORY = timedelta(days=1)
HEAD_BYTES = 8
_ENTRY = struct.Struct(f"<{HEAD_BYTES}sI")  # how a series begins in a batch, and how many points it has there
_DEFINITIONS_AT_ONCE = 500

Mark: TypeAlias = tuple[int, int | str]  # timestamp, and the bits of a float or a line: what a point is known by


@dataclass(slots=True)
class Stored:
    """The points stored of one series since some time."""

    copies: Counter[Mark] = field(default_factory=Counter)

    def add(self, points: Points) -> None:
        if len(points):
            self.copies.update(_marks(points))


def heads(series: Mapping[int, Points]) -> bytes:
    """An entry for each series that has points without a step: how it begins, and how many they are."""
    return b"".join(_ENTRY.pack(_head(pk, points), len(points)) for pk, points in _unnumbered(series).items())


def without_repeats(run_id: int, series: Mapping[int, Points], last_point_ms: int) -> dict[int, Points]:
    """The points that are new. The caller holds the lock on the run; `last_point_ms` is its newest timestamp so far."""
    suspects = {
        pk: points for pk, points in _unnumbered(series).items() if int(points.timestamps.min()) <= last_point_ms
    }
    if not suspects:
        return dict(series)
    stored = _stored(run_id, suspects)
    known = {pk: points for pk, points in suspects.items() if stored[pk].copies[_marks(points[:1])[0]]}
    if not any(_goes_back(points, stored[pk]) for pk, points in known.items()):
        begun = _heads_of_begun_batches(run_id, _unnumbered(series))
        known = {pk: points for pk, points in known.items() if _head(pk, points) in begun}
    repeated = {pk: stored[pk].copies for pk in known}
    return {pk: _drop(points, repeated[pk]) if pk in repeated else points for pk, points in series.items()}


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


def _head(pk: int, points: Points) -> bytes:
    timestamp, value = _marks(points[:1])[0]
    bits = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else struct.pack("<q", value)
    return hashlib.blake2b(struct.pack("<qq", pk, timestamp) + bits, digest_size=HEAD_BYTES).digest()


def _stored(run_id: int, suspects: Mapping[int, Points]) -> dict[int, Stored]:
    """What is stored of each series from the first timestamp that the batch has of it."""
    since = {pk: int(points.timestamps.min()) for pk, points in suspects.items()}
    found = {pk: Stored() for pk in since}
    rows = BatchLog.objects.filter(run_id=run_id, point_count__gt=0, last_ms__gte=min(since.values())).order_by("id")
    logged = collect(rows.values_list("run_id", "id", "payload").iterator(chunk_size=16), since.keys())
    for (_, pk), series in logged.items():
        points = series.points
        found[pk].add(points[np.isnan(points.steps) & (points.timestamps >= since[pk])])
    for some in slices(since, _DEFINITIONS_AT_ONCE):
        _add_chunks(run_id, {pk: since[pk] for pk in some}, found)
    return found


def _add_chunks(run_id: int, since: Mapping[int, int], found: dict[int, Stored]) -> None:
    rows = Chunk.objects.filter(run_id=run_id, definition_id__in=since, last_ms__gte=min(since.values()))
    for (_, pk), series in chunk_facts(rows).items():
        segments = [Segment(chunk) for chunk in series if chunk.last_ms >= since[pk]]
        for segment in segments:
            points = segment.load(load_data([segment]))
            found[pk].add(points[points.timestamps >= since[pk]])


def _heads_of_begun_batches(run_id: int, series: Mapping[int, Points]) -> set[bytes]:
    """The heads of those earlier batches that this one begins with."""
    counts = {_head(pk, points): len(points) for pk, points in series.items()}
    firsts = [int(points.timestamps[0]) for points in series.values()]
    rows = ReceivedBatch.objects.filter(
        run_id=run_id, received_at__gte=timezone.now() - MEMORY, last_ms__gte=min(firsts), first_ms__lte=max(firsts)
    )
    begun: set[bytes] = set()
    for joined in rows.values_list("heads", flat=True).iterator(chunk_size=64):
        earlier = dict(_ENTRY.iter_unpack(bytes(joined)))
        if all(counts.get(head, 0) >= count for head, count in earlier.items()):
            begun.update(earlier)
    return begun
