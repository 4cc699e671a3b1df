"""The binary columnar body of `points/`: many points of float series at the least cost for both sides.

All numbers are little endian:

    4 bytes   magic "TPB1"
    uint32    length of the header in bytes
    header    UTF-8 JSON: {"writer": "<uuid>", "seq": n, "series": [{"path": "metrics/loss", "count": 20}, ...]}
    padding   zero bytes up to a multiple of 8 from the start of the body
    float64[] values, the series' points one series after the other
    int64[]   timestamps, milliseconds since 1970
    float64[] steps; NaN stands for "the next one"

Each of the three columns has as many entries as the counts add up to, and nothing follows them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from api.body import MalformedBody, parse_json
from api.limits import SERIES_PER_POINTS_BODY
from projects.exceptions import InvalidInput, TooLarge
from runs.operations import AppendFloats, Operation

MEDIA_TYPE = "application/vnd.tracking-platform.points"
MAGIC = b"TPB1"
_PREFIX = struct.Struct("<4sI")


def read_points(body: bytes) -> tuple[dict[str, Any], list[Operation]]:
    """The header and one AppendFloats per series. Raises MalformedBody with the position of the fault."""
    if len(body) < _PREFIX.size:
        raise MalformedBody(f"The body ends after {len(body)} bytes, inside its prefix.", position=len(body))
    magic, header_length = _PREFIX.unpack_from(body)
    if magic != MAGIC:
        raise MalformedBody(f"The body must begin with {MAGIC.decode()}.", position=0)
    header_end = _PREFIX.size + header_length
    if header_end > len(body):
        raise MalformedBody(f"The body ends after {len(body)} bytes, inside its header.", position=len(body))
    header = parse_json(body[_PREFIX.size : header_end])
    if not isinstance(header, dict):
        raise MalformedBody("The header must be an object.", position=_PREFIX.size)
    series = _read_series(header.get("series"))
    return header, _cut(body, header_end + -header_end % 8, series)


def _read_series(series: Any) -> list[tuple[str, int]]:
    if not isinstance(series, list):
        raise InvalidInput("`series` must be a list.", field="series")
    if len(series) > SERIES_PER_POINTS_BODY:
        raise TooLarge(
            f"A body may have {SERIES_PER_POINTS_BODY} series; got {len(series)}.",
            limit=SERIES_PER_POINTS_BODY,
            got=len(series),
        )
    read = []
    for place, entry in enumerate(series):
        path, count = (entry.get("path"), entry.get("count")) if isinstance(entry, dict) else (None, None)
        if not isinstance(path, str) or type(count) is not int or count < 0:
            raise InvalidInput("A series has a `path` and a `count` that is not negative.", field=f"series.{place}")
        read.append((path, count))
    return read


def _cut(body: bytes, start: int, series: Sequence[tuple[str, int]]) -> list[Operation]:
    total = sum(count for _, count in series)
    expected = start + 24 * total
    if len(body) != expected:
        raise MalformedBody(
            f"{total} points need a body of {expected} bytes; it has {len(body)}.", position=min(len(body), expected)
        )
    values = np.frombuffer(body, "<f8", total, start)
    timestamps = np.frombuffer(body, "<i8", total, start + 8 * total)
    steps = np.frombuffer(body, "<f8", total, start + 16 * total)
    operations: list[Operation] = []
    first = 0
    for index, (path, count) in enumerate(series):
        part = slice(first, first + count)
        operations.append(
            AppendFloats(
                path=path,
                index=index,
                values=values[part],  # type: ignore[arg-type]
                steps=steps[part],  # type: ignore[arg-type]
                timestamps=timestamps[part],  # type: ignore[arg-type]
            )
        )
        first += count
    return operations
