"""Native JSON batches that only append points, decoded straight into columns.

This reader takes what a training script sends while it trains. It declines everything else, wrong batches included:
`operation_wire` reads those, and says what is wrong with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Annotated, Literal, TypeAlias, TypedDict

import numpy as np
from msgspec import UNSET, Meta, MsgspecError, Struct, UnsetType
from msgspec.json import Decoder
from numpy.typing import NDArray

from api.body import holds_only
from api.limits import INT64_MAX, INT64_MIN, OPERATIONS_PER_BATCH
from runs.operations import FloatBlock, PointColumns, TextBlock

_Integer: TypeAlias = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]


class _Append(Struct, forbid_unknown_fields=True, gc=False):
    op: Literal["append"]
    path: str
    values: list[float | str]
    type: Literal["float_series", "string_series"] | UnsetType = UNSET
    steps: list[float | None] | UnsetType | None = UNSET
    timestamps: list[_Integer] | UnsetType | None = UNSET


class _Batch(Struct, forbid_unknown_fields=True, gc=False):
    writer: str
    seq: _Integer
    operations: list[_Append]


_decode: Callable[[bytes], _Batch] = Decoder(_Batch).decode
Header: TypeAlias = Mapping[str, str | int]


def read_appends(body: bytes) -> tuple[Header, PointColumns] | None:
    """The writer and number of a batch and its points; None when it is anything but points of series that each occur
    once. Points without a timestamp get the time of arrival."""
    try:
        batch = _decode(body)
    except (MsgspecError, UnicodeDecodeError):
        return None
    series = batch.operations
    paths = {each.path for each in series}
    if not 0 < len(series) == len(paths) <= OPERATIONS_PER_BATCH or not all(map(_is_sound, series)):
        return None
    lines = [value for each in series if each.type == "string_series" for value in each.values]
    keys = 3 + sum(map(_count_keys, series))
    if not holds_only(body, keys, [batch.writer, *paths, *lines]):  # type: ignore[list-item]  # _is_sound saw to it
        return None
    columns = _columns(series, int(time.time() * 1000))
    return None if columns is None else ({"writer": batch.writer, "seq": batch.seq}, columns)


def _is_sound(append: _Append) -> bool:
    """Whether the columns are as long as each other and the values all of the series' type."""
    count = len(append.values)
    steps, timestamps = append.steps, append.timestamps
    wanted = str if append.type == "string_series" else float
    return (
        (not steps or len(steps) == count)
        and (not timestamps or len(timestamps) == count)
        and steps != []
        and timestamps != []
        and set(map(type, append.values)) == {wanted}
    )


def _count_keys(append: _Append) -> int:
    return 3 + (append.type is not UNSET) + (append.steps is not UNSET) + (append.timestamps is not UNSET)


def _columns(series: Sequence[_Append], arrived: int) -> PointColumns | None:
    """The points; None when a number is beyond 64 bits, for an integer of that size would be refused."""
    numbers = [(index, each) for index, each in enumerate(series) if each.type != "string_series"]
    lines = [(index, each) for index, each in enumerate(series) if each.type == "string_series"]
    floats = texts = None
    if numbers:
        values = np.array(list(chain.from_iterable(each.values for _, each in numbers)), dtype=np.float64)
        floats = FloatBlock(**_positions(numbers, arrived), values=values)
    if lines:
        texts = TextBlock(
            **_positions(lines, arrived), values=[str(value) for _, each in lines for value in each.values]
        )
    measured = [block.steps for block in (floats, texts) if block] + ([floats.values] if floats else [])
    return None if any((np.abs(column) >= 2.0**63).any() for column in measured) else PointColumns(floats, texts)


class _Positions(TypedDict):
    paths: list[str]
    indexes: list[int]
    counts: list[int]
    steps: NDArray[np.float64]
    timestamps: NDArray[np.int64]


def _positions(series: Sequence[tuple[int, _Append]], arrived: int) -> _Positions:
    steps = chain.from_iterable(each.steps or [None] * len(each.values) for _, each in series)
    timestamps = chain.from_iterable(each.timestamps or [arrived] * len(each.values) for _, each in series)
    return {
        "paths": [each.path for _, each in series],
        "indexes": [index for index, _ in series],
        "counts": [len(each.values) for _, each in series],
        "steps": np.array(list(steps), dtype=np.float64),  # None becomes NaN
        "timestamps": np.array(list(timestamps), dtype=np.int64),
    }
