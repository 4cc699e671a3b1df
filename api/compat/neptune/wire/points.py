"""The commonest body by far, points of series and nothing else, decoded straight into columns.

This reader knows only what the clients send while they train. It declines everything else, wrong bodies included:
`wire.operations` reads those, and says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias

import numpy as np
from msgspec import Meta, MsgspecError, Struct
from msgspec.json import Decoder
from numpy.typing import NDArray

from runs.operations import FloatBlock, PointColumns, TextBlock

_Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class _Shape(Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """Plain data without cycles, which the garbage collector need not look at."""


class _Number(_Shape):
    value: float
    timestamp_milliseconds: _Milliseconds
    step: float | None = None


class _Line(_Shape):
    value: str
    timestamp_milliseconds: _Milliseconds
    step: float | None = None


class _Numbers(_Shape):
    entries: list[_Number]


class _Lines(_Shape):
    entries: list[_Line]


class _Operation(_Shape):
    path: str
    log_floats: _Numbers | None = None
    log_strings: _Lines | None = None


_decode: Callable[[bytes], list[_Operation]] = Decoder(list[_Operation]).decode


def read_points(body: bytes) -> PointColumns | None:
    """The points of an executeOperations body; None when it is anything but points of series that each occur once."""
    try:
        operations = _decode(body)
    except (MsgspecError, UnicodeDecodeError):
        return None
    if not operations or len({each.path for each in operations}) != len(operations):
        return None
    paths: list[list[str]] = [[], []]
    indexes: list[list[int]] = [[], []]
    numbers: list[list[_Number]] = []
    lines: list[list[_Line]] = []
    for index, operation in enumerate(operations):
        floats, strings = operation.log_floats, operation.log_strings
        if floats is not None and strings is None and floats.entries:
            numbers.append(floats.entries)
        elif strings is not None and floats is None and strings.entries:
            lines.append(strings.entries)
        else:
            return None
        place = floats is None
        paths[place].append(operation.path)
        indexes[place].append(index)
    return PointColumns(
        floats=_float_block(paths[0], indexes[0], numbers) if numbers else None,
        texts=_text_block(paths[1], indexes[1], lines) if lines else None,
    )


def _float_block(paths: list[str], indexes: list[int], series: Sequence[Sequence[_Number]]) -> FloatBlock:
    return FloatBlock(
        paths=paths,
        indexes=indexes,
        counts=[len(entries) for entries in series],
        steps=_steps(series),
        timestamps=_timestamps(series),
        values=np.array([entry.value for entries in series for entry in entries], dtype=np.float64),
    )


def _text_block(paths: list[str], indexes: list[int], series: Sequence[Sequence[_Line]]) -> TextBlock:
    return TextBlock(
        paths=paths,
        indexes=indexes,
        counts=[len(entries) for entries in series],
        steps=_steps(series),
        timestamps=_timestamps(series),
        values=[entry.value for entries in series for entry in entries],
    )


def _steps(series: Sequence[Sequence[_Number | _Line]]) -> NDArray[np.float64]:
    steps = [entry.step for entries in series for entry in entries]
    if steps.count(None) == len(steps):
        return np.full(len(steps), np.nan)
    return np.array(steps, dtype=np.float64)  # None becomes NaN


def _timestamps(series: Sequence[Sequence[_Number | _Line]]) -> NDArray[np.int64]:
    return np.array([entry.timestamp_milliseconds for entries in series for entry in entries], dtype=np.int64)
