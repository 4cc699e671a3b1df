"""The payload of a log row (level 0): the points of a request, series after series.

    u32 version (1), u32 float series, u32 string series, u32 points of the string series
    i64 definition id of each series, floats first      u32 points of each series
    float series   f64 steps, i64 timestamps, f64 values, each for all float series together
    string series  f64 steps, i64 timestamps, u32 bytes of each line, then all lines as one zstd frame

All little endian. Text is UTF-8 in which lone surrogates are kept.

A payload of more than PACKED_BYTES is packed: u32 version (2), then all of the above as one zstd frame. At the fastest
level that takes 10 to 20 microseconds for a thousand points and leaves a third, which saves PostgreSQL twenty times as
much: it cuts a long value into pieces of 2 kB and indexes each.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import zstandard
from numpy.typing import NDArray

from runs.series.base import Integers
from runs.series.points import Points, SeriesColumns, Values, text_array

VERSION = 1
PACKED_VERSION = 2
PACKED_BYTES = 1000
_PACK_LEVEL = -5
_VERSION = struct.Struct("<I")
_HEADER = struct.Struct("<4I")


def encode(blocks: Sequence[SeriesColumns]) -> bytes:
    """Columns of series as a payload: float series first, then string series."""
    floats = sum(len(block.definition_ids) for block in blocks if not block.is_text)
    strings = sum(len(block.definition_ids) for block in blocks if block.is_text)
    text_count = sum(len(block) for block in blocks if block.is_text)
    parts = [_HEADER.pack(VERSION, floats, strings, text_count)]
    parts += [block.definition_ids.astype("<i8", copy=False).tobytes() for block in blocks]
    parts += [block.counts.astype("<u4").tobytes() for block in blocks]
    for block in blocks:
        parts.append(block.steps.astype("<f8", copy=False).tobytes())
        parts.append(block.timestamps.astype("<i8", copy=False).tobytes())
        if isinstance(block.values, np.ndarray):
            parts.append(block.values.astype("<f8", copy=False).tobytes())
        else:
            parts += _text(block.values)
    return _packed(b"".join(parts))


def _packed(payload: bytes) -> bytes:
    if len(payload) <= PACKED_BYTES:
        return payload
    return _VERSION.pack(PACKED_VERSION) + zstandard.ZstdCompressor(level=_PACK_LEVEL).compress(payload)


def _unpacked(payload: bytes) -> bytes:
    if _VERSION.unpack_from(payload)[0] != PACKED_VERSION:
        return payload
    try:
        return zstandard.ZstdDecompressor().decompress(memoryview(payload)[_VERSION.size :])
    except zstandard.ZstdError as error:
        raise ValueError(f"A log row can't be unpacked: {error}.") from error


def float_columns(points: Points) -> list[bytes]:
    return [
        points.steps.astype("<f8", copy=False).tobytes(),
        points.timestamps.astype("<i8", copy=False).tobytes(),
        points.values.astype("<f8", copy=False).tobytes(),
    ]


def text_columns(points: Points) -> list[bytes]:
    return [
        points.steps.astype("<f8", copy=False).tobytes(),
        points.timestamps.astype("<i8", copy=False).tobytes(),
        *_text(lines(points.values)),
    ]


def lines(values: Iterable[str]) -> list[bytes]:
    """Lines as they are stored."""
    return [value.encode("utf-8", "surrogatepass") for value in values]


def _text(values: Sequence[bytes]) -> list[bytes]:
    lengths = np.fromiter(map(len, values), "<u4", len(values))
    return [lengths.tobytes(), zstandard.ZstdCompressor(level=1).compress(b"".join(values))]


@dataclass(frozen=True, slots=True)
class Block:
    """The float or the string points of a payload, with the definition id of each point."""

    definition_ids: Integers
    points: Points


def decode(payload: bytes, wanted: Collection[int] | None = None) -> Iterator[Block]:
    """The points of a payload in its order, or those of the series that are wanted; floats first."""
    payload = _unpacked(payload)
    version, float_count, string_count, text_count = _HEADER.unpack_from(payload)
    if version != VERSION:
        raise ValueError(f"A log row has the unknown version {version}.")
    series_count = float_count + string_count
    ids = np.frombuffer(payload, "<i8", series_count, _HEADER.size)
    counts = np.frombuffer(payload, "<u4", series_count, _HEADER.size + 8 * series_count)
    is_wanted = np.ones(series_count, bool) if wanted is None else np.array([pk in wanted for pk in ids.tolist()], bool)
    offset = _HEADER.size + 12 * series_count
    point_count = int(counts[:float_count].sum())
    if is_wanted[:float_count].any():
        points = read_float_columns(payload, point_count, offset)
        yield _block(ids[:float_count], counts[:float_count], is_wanted[:float_count], points)
    if is_wanted[float_count:].any():
        points = read_text_columns(payload, text_count, offset + 24 * point_count)
        yield _block(ids[float_count:], counts[float_count:], is_wanted[float_count:], points)


def float_block(payload: bytes) -> Block | None:
    """The float points alone: text is not decoded."""
    payload = _unpacked(payload)
    version, float_count, string_count, _ = _HEADER.unpack_from(payload)
    if not float_count or version != VERSION:
        return next(decode(payload)) if version != VERSION else None
    ids = np.frombuffer(payload, "<i8", float_count, _HEADER.size)
    series_count = float_count + string_count
    counts = np.frombuffer(payload, "<u4", float_count, _HEADER.size + 8 * series_count)
    points = read_float_columns(payload, int(counts.sum()), _HEADER.size + 12 * series_count)
    return Block(np.repeat(ids, counts), points)


def _block(ids: Integers, counts: NDArray[np.uint32], is_wanted: NDArray[np.bool_], points: Points) -> Block:
    definition_ids = np.repeat(ids, counts)
    if is_wanted.all():
        return Block(definition_ids, points)
    keep = np.repeat(is_wanted, counts)
    return Block(definition_ids[keep], points[keep])


def read_float_columns(data: bytes, count: int, offset: int = 0) -> Points:
    return Points(
        np.frombuffer(data, "<f8", count, offset),
        np.frombuffer(data, "<i8", count, offset + 8 * count),
        np.frombuffer(data, "<f8", count, offset + 16 * count),
    )


def read_text_columns(data: bytes, count: int, offset: int = 0) -> Points:
    steps = np.frombuffer(data, "<f8", count, offset)
    timestamps = np.frombuffer(data, "<i8", count, offset + 8 * count)
    lengths = np.frombuffer(data, "<u4", count, offset + 16 * count)
    text = zstandard.ZstdDecompressor().decompress(memoryview(data)[offset + 20 * count :])
    return Points(steps, timestamps, _lines(text, lengths.tolist()))


def _lines(text: bytes, lengths: list[int]) -> Values:
    lines, start = [], 0
    for length in lengths:
        lines.append(text[start : start + length].decode("utf-8", "surrogatepass"))
        start += length
    return text_array(lines)
