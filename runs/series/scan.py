"""Reading all points of series piece by piece, for exports: each piece is a view of the database of its own, so nothing
is held open while somebody downloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from runs.series.base import SeriesKey
from runs.series.curves import Curve, Part, Since, load_points, open_curves, parts_of
from runs.series.opened import open_series
from runs.series.points import Points, joined
from runs.series.snapshot import snapshot

PIECE_POINTS = 262_144
_SEGMENTS_AT_ONCE = 8  # of text; one is at most about 1 MB
_FEW, _MANY = 4, 256  # series opened for one piece
_NEVER = 2**62  # later than any row of the log


def scan_floats(keys: Sequence[SeriesKey]) -> Iterator[list[tuple[SeriesKey, Points]]]:
    """All points of the float series, in the order of the keys and by step, in pieces of about PIECE_POINTS (one series
    or many). What is logged meanwhile comes too, if its series is not finished yet."""
    place, after, width = 0, -np.inf, _FEW
    while place < len(keys):
        some = keys[place : place + width]
        with snapshot():
            since = {key: Since(after if key == some[0] else -np.inf, _NEVER) for key in some}
            taken, done, after = _take(some, open_curves(some, since), after)
            stored = load_points(part.chunk_id for _, part in taken if part.chunk_id)
        place += done
        width = min(max(2 * done, _FEW), _MANY)
        piece = list(_joined(taken, stored, since))
        if piece:
            yield piece


def _take(
    keys: Sequence[SeriesKey], curves: dict[SeriesKey, Curve], after: float
) -> tuple[list[tuple[SeriesKey, Part]], int, float]:
    """The parts of the next piece, the number of series that are finished with it, and the last step taken of the one
    that is not."""
    taken: list[tuple[SeriesKey, Part]] = []
    count = 0
    for number, key in enumerate(keys):
        last = after if number == 0 else -np.inf
        for part in parts_of(curves[key], last) if key in curves else ():
            if count and count + part.count > PIECE_POINTS:
                return taken, number, last
            taken.append((key, part))
            count, last = count + part.count, part.last_step
    return taken, len(keys), -np.inf


def _joined(
    taken: Sequence[tuple[SeriesKey, Part]], stored: dict[int, Points], since: dict[SeriesKey, Since]
) -> Iterator[tuple[SeriesKey, Points]]:
    """The points of the parts by series. A part may begin before what was read last, if a flush has joined chunks."""
    found: dict[SeriesKey, list[Points]] = {}
    for key, part in taken:
        if len(points := part.of(stored)):
            found.setdefault(key, []).append(points[points.steps > since[key].step])
    for key, parts in found.items():
        if len(every := joined(parts)):
            yield key, every


def scan_strings(key: SeriesKey) -> Iterator[Points]:
    """All lines of a string series by step, some thousand at a time."""
    after = -np.inf
    while True:
        with snapshot():
            series = open_series([key], is_text=True).get(key)
            segments = [each for each in series.segments if each.last_step > after] if series else []
            if series is None or not segments:
                return
            points = series.load(segments[:_SEGMENTS_AT_ONCE])
        points = points[points.steps > after]
        after = segments[:_SEGMENTS_AT_ONCE][-1].last_step
        if len(points):
            yield points
        if len(segments) <= _SEGMENTS_AT_ONCE:
            return
