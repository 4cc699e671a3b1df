"""Points of series as files, made piece by piece: CSV and Parquet.

A row is a point: path, step, timestamp (UTC, to the millisecond), value. The library that writes both is large, so it
is loaded when the first file is asked for, never by an idle server.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np

from runs.series.base import FloatColumns, StringColumns

Piece: TypeAlias = Sequence[tuple[str, FloatColumns | StringColumns]]

# A spreadsheet takes a text that begins so for a formula and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# The years that dates can be written in: from year 1 to 9999.
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999


class Format(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        return "text/csv; charset=utf-8" if self is Format.CSV else "application/vnd.apache.parquet"


def write_table(pieces: Iterable[Piece], form: Format, *, is_text: bool, is_raw: bool = False) -> Generator[bytes]:
    """The bytes of a file, a block or so per piece. Unless `is_raw`, a text in CSV that spreadsheets would take for a
    formula gets an apostrophe in front; numbers stay as they are."""
    import pyarrow as pa

    sink = _Sink()
    schema = pa.schema(
        [
            ("path", pa.string() if form is Format.CSV else pa.dictionary(pa.int32(), pa.string())),
            ("step", pa.float64()),
            ("timestamp", pa.timestamp("ms", tz="UTC")),
            ("value", pa.string() if is_text else pa.float64()),
        ]
    )
    is_guarded = form is Format.CSV and not is_raw
    with _writer(form, sink, schema) as writer:
        for piece in pieces:
            writer.write(_batch(piece, schema, is_guarded=is_guarded))
            yield from sink.taken()
    yield from sink.taken()


class _Sink:
    """A file that only remembers what was written since it was last asked."""

    closed = False

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, data: Any) -> int:
        self._blocks.append(bytes(data))
        return len(self._blocks[-1])

    def taken(self) -> Iterator[bytes]:
        blocks, self._blocks = self._blocks, []
        if blocks:
            yield b"".join(blocks)

    def flush(self) -> None: ...

    def close(self) -> None: ...


def _writer(form: Format, sink: _Sink, schema: Any) -> Any:
    import pyarrow as pa

    file = pa.PythonFile(sink, mode="w")
    if form is Format.CSV:
        from pyarrow import csv

        return csv.CSVWriter(file, schema)
    from pyarrow import parquet

    return parquet.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=["path"],
        column_encoding=None if pa.types.is_string(schema.field("value").type) else _ENCODINGS,
    )


# Neighbours are alike: their bytes side by side, and their differences, compress far better.
_ENCODINGS = {"step": "BYTE_STREAM_SPLIT", "timestamp": "DELTA_BINARY_PACKED", "value": "BYTE_STREAM_SPLIT"}


def _batch(piece: Piece, schema: Any, *, is_guarded: bool) -> Any:
    import pyarrow as pa

    paths = [_guarded(path) if is_guarded else path for path, _ in piece]
    numbers = np.repeat(np.arange(len(piece), dtype=np.int32), [len(columns) for _, columns in piece])
    named = pa.DictionaryArray.from_arrays(pa.array(numbers), pa.array(paths, pa.string()))
    times = np.concatenate([columns.timestamps for _, columns in piece])
    return pa.record_batch(
        [
            named if schema.field("path").type == named.type else named.dictionary_decode(),
            pa.array(np.concatenate([columns.steps for _, columns in piece])),
            pa.array(np.clip(times, _FIRST_MS, _LAST_MS)).cast(schema.field("timestamp").type),
            _values([columns for _, columns in piece], is_guarded=is_guarded),
        ],
        schema=schema,
    )


def _values(columns: Sequence[FloatColumns | StringColumns], *, is_guarded: bool) -> Any:
    import pyarrow as pa

    if isinstance(columns[0], FloatColumns):
        return pa.array(np.concatenate([each.values for each in columns]))
    lines = [line.encode("utf-8", "replace").decode() for each in columns for line in each.values]
    return pa.array([_guarded(line) for line in lines] if is_guarded else lines, pa.string())


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
