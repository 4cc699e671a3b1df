"""How the points of a chunk become bytes.

    RAW   f64 steps, i64 timestamps, f64 values; little endian
    PCO   three u32 lengths, then each column compressed by pcodec without loss (NaN payloads included)
    TEXT  f64 steps, i64 timestamps, u32 bytes of each line, then all lines as one zstd frame

`checksum` is the CRC-32 of the bytes. Codecs are only ever added: old chunks must stay readable.
"""

from __future__ import annotations

import logging
import struct
import zlib
from enum import IntEnum
from typing import Protocol

import numpy as np

from runs.series.payload import float_columns, read_float_columns, read_text_columns, text_columns
from runs.series.points import Points, no_points

try:
    from pcodec import ChunkConfig, standalone
except ImportError:  # no wheel for this platform: chunks are larger, nothing else changes
    standalone = None

logger = logging.getLogger(__name__)

CHUNK_POINTS = 8192
CHUNK_BYTES = 1_000_000  # for lines of text
OPEN, FULL = 1, 2  # levels
_LENGTHS = struct.Struct("<3I")


class Codec(IntEnum):
    RAW = 0
    PCO = 1
    TEXT = 2


class Stored(Protocol):
    """What must be known of a chunk to decode it."""

    @property
    def id(self) -> int: ...
    @property
    def run_id(self) -> int: ...
    @property
    def codec(self) -> int: ...
    @property
    def checksum(self) -> int: ...
    @property
    def point_count(self) -> int: ...


def encode(points: Points, *, level: int) -> tuple[Codec, bytes]:
    """Points ordered by step as the bytes of a chunk. Only full chunks are worth compressing."""
    if points.is_text:
        return Codec.TEXT, b"".join(text_columns(points))
    if level == FULL and standalone is not None:
        return Codec.PCO, _compress(points)
    return Codec.RAW, b"".join(float_columns(points))


def _compress(points: Points) -> bytes:
    config = ChunkConfig(compression_level=4)
    columns = [
        standalone.simple_compress(np.require(column, requirements=["C", "A"]), config)
        for column in (points.steps, points.timestamps, points.values)
    ]
    return b"".join([_LENGTHS.pack(*map(len, columns)), *columns])


def checksum(data: bytes) -> int:
    return zlib.crc32(data)


def decode(chunk: Stored, data: bytes) -> Points:
    """The points of a chunk. A damaged one is reported in the log and has none: it must not hide the others."""
    is_text = chunk.codec == Codec.TEXT
    if checksum(data) != chunk.checksum:
        logger.error("Chunk %d of run %d is damaged; its points are left out.", chunk.id, chunk.run_id)
        return no_points(is_text=is_text)
    if chunk.codec == Codec.RAW:
        return read_float_columns(data, chunk.point_count)
    if chunk.codec == Codec.TEXT:
        return read_text_columns(data, chunk.point_count)
    if chunk.codec == Codec.PCO and standalone is not None:
        return _decompress(data)
    logger.error("Chunk %d of run %d has the codec %d, which can't be read here.", chunk.id, chunk.run_id, chunk.codec)
    return no_points(is_text=is_text)


def _decompress(data: bytes) -> Points:
    columns, start = [], _LENGTHS.size
    for length in _LENGTHS.unpack_from(data):
        columns.append(np.asarray(standalone.simple_decompress(data[start : start + length])))
        start += length
    return Points(*columns)
