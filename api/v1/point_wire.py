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
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

import numpy as np
from msgspec import Meta, MsgspecError, Struct
from msgspec.json import Decoder
from numpy.typing import NDArray

from api.body import MalformedBody, holds_only, parse_json
from api.limits import INT64_MAX, INT64_MIN, SERIES_PER_POINTS_BODY
from projects.exceptions import InvalidInput, TooLarge
from runs.operations import AppendFloats, FloatBlock, Operation, PointColumns

MEDIA_TYPE = "application/vnd.tracking-platform.points"
MAGIC = b"TPB1"
_PREFIX = struct.Struct("<4sI")


Header: TypeAlias = Mapping[str, Any]
_Numbers: TypeAlias = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]


class _Series(Struct, forbid_unknown_fields=True, gc=False):
    path: str
    count: Annotated[int, Meta(gt=0, le=INT64_MAX)]


class _Header(Struct, forbid_unknown_fields=True, gc=False):
    writer: str
    seq: Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
    series: list[_Series]


_decode_header: Callable[[bytes], _Header] = Decoder(_Header).decode


def read_points(body: bytes) -> tuple[Header, PointColumns | list[Operation]]:
    """The header, and the points as columns that share the body's memory; or one AppendFloats per series where columns
    can't hold them (see PointColumns). Raises MalformedBody with the position of the fault."""
    if len(body) < _PREFIX.size:
        raise MalformedBody(f"The body ends after {len(body)} bytes, inside its prefix.", position=len(body))
    magic, header_length = _PREFIX.unpack_from(body)
    if magic != MAGIC:
        raise MalformedBody(f"The body must begin with {MAGIC.decode()}.", position=0)
    header_end = _PREFIX.size + header_length
    if header_end > len(body):
        raise MalformedBody(f"The body ends after {len(body)} bytes, inside its header.", position=len(body))
    text = body[_PREFIX.size : header_end]
    start = header_end + -header_end % 8
    if plain := _plain_header(text):
        return {"writer": plain.writer, "seq": plain.seq}, _columns(body, start, plain.series)
    header = parse_json(text)
    if not isinstance(header, dict):
        raise MalformedBody("The header must be an object.", position=_PREFIX.size)
    return header, _operations(body, start, _read_series(header.get("series")))


def _plain_header(text: bytes) -> _Header | None:
    """The header, when nothing about it needs an explanation and each path occurs once."""
    try:
        header = _decode_header(text)
    except (MsgspecError, UnicodeDecodeError):
        return None
    series = header.series
    paths = {each.path for each in series}
    keys = 3 + 2 * len(series)
    is_plain = 0 < len(series) == len(paths) <= SERIES_PER_POINTS_BODY
    return header if is_plain and holds_only(text, keys, [header.writer, *paths]) else None


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


def _columns(body: bytes, start: int, series: Sequence[_Series]) -> PointColumns:
    counts = [each.count for each in series]
    values, timestamps, steps = _numbers(body, start, sum(counts))
    block = FloatBlock(
        paths=[each.path for each in series],
        indexes=range(len(series)),
        counts=counts,
        steps=steps,
        timestamps=timestamps,
        values=values,
    )
    return PointColumns(floats=block)


def _operations(body: bytes, start: int, series: Sequence[tuple[str, int]]) -> list[Operation]:
    values, timestamps, steps = _numbers(body, start, sum(count for _, count in series))
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


def _numbers(body: bytes, start: int, total: int) -> _Numbers:
    """The columns of values, timestamps and steps, without copying them."""
    expected = start + 24 * total
    if len(body) != expected:
        raise MalformedBody(
            f"{total} points need a body of {expected} bytes; it has {len(body)}.", position=min(len(body), expected)
        )
    values = np.frombuffer(body, "<f8", total, start)
    timestamps = np.frombuffer(body, "<i8", total, start + 8 * total)
    steps = np.frombuffer(body, "<f8", total, start + 16 * total)
    return values, timestamps, steps
