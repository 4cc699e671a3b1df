"""Reading a body of many megabytes with little memory beside it: slice by slice, points into columns at once.

A point takes 24 bytes in columns and several hundred as objects. So no more than a slice of the body ever stands in
memory as objects; an operation that is longer than a slice is read in slices of its points.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from mmap import mmap
from typing import Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from api.body import MalformedBody
from api.compat.neptune.body import parse_json
from api.compat.neptune.wire.operations import KeepImage, read_batch
from api.compat.neptune.wire.points import read_points
from api.json_list import NotAList, Slice, list_slices
from api.limits import MIB
from projects.exceptions import TooLarge
from runs.operations import (
    AppendFloats,
    AppendStrings,
    FloatBlock,
    Operation,
    PointColumns,
    TextBlock,
    UnreadableOperation,
)

SLICE_BYTES = 1 * MIB
MAX_OPERATIONS = 100_000
MAX_LINES = 1_000_000
# An operation that can't be read in slices; images come as one long text.
MAX_OPERATION_BYTES = 32 * MIB
MAX_IMAGES_BYTES = 48 * MIB

_TEXT = rb'"(?:[^"\\]|\\.)*"'
_PATH = rb'\s*"path"\s*:\s*' + _TEXT + rb"\s*"
_HEAD = re.compile(rb"\s*\{(?:" + _PATH + rb',)?\s*"log(?:Floats|Strings)"\s*:\s*\{\s*"entries"\s*:\s*\[')
_TAIL = re.compile(rb"\]\s*\}\s*(?:," + _PATH + rb")?\}\s*\Z")
_IMAGES = re.compile(rb"\s*\{(?:" + _PATH + rb',)?\s*"logImages"')
_FIRST_PATH = re.compile(rb'\s*\{\s*"path"\s*:\s*(' + _TEXT + rb")")
_TAIL_BYTES = 8192

Body = bytes | mmap
Number = TypeVar("Number", np.float64, np.int64)


@dataclass
class _Columns:
    """Columns that grow: those of FloatBlock, or of TextBlock."""

    is_text: bool
    paths: list[str] = field(default_factory=list)
    indexes: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    steps: list[NDArray[np.float64]] = field(default_factory=list)
    timestamps: list[NDArray[np.int64]] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def add(self, block: FloatBlock | TextBlock, first: int) -> None:
        """Add series; operation 0 of the block is number `first` of the body."""
        self.paths += block.paths
        self.indexes += [first + index for index in block.indexes]
        self.counts += block.counts
        self._add_points(block)

    def extend_last(self, block: FloatBlock | TextBlock) -> None:
        """Add points to the series that was added last."""
        self.counts[-1] += sum(block.counts)
        self._add_points(block)

    def join(self, other: _Columns) -> None:
        """Add what others hold."""
        for mine, its in zip(self._all(), other._all(), strict=True):
            mine += its
        self._check_lines()

    def _all(self) -> tuple[list[Any], ...]:
        return self.paths, self.indexes, self.counts, self.steps, self.timestamps, self.values, self.lines

    def _add_points(self, block: FloatBlock | TextBlock) -> None:
        self.steps.append(block.steps)
        self.timestamps.append(block.timestamps)
        if isinstance(block, FloatBlock):
            self.values.append(block.values)
            return
        self.lines += block.values
        self._check_lines()

    def _check_lines(self) -> None:
        if len(self.lines) > MAX_LINES:
            raise TooLarge(
                f"The body holds more than {MAX_LINES} lines of text, which is the limit.",
                limit=MAX_LINES,
                got=len(self.lines),
            )

    def floats(self) -> FloatBlock:
        return FloatBlock(
            self.paths, self.indexes, self.counts, _taken(self.steps), _taken(self.timestamps), _taken(self.values)
        )

    def texts(self) -> TextBlock:
        return TextBlock(self.paths, self.indexes, self.counts, _taken(self.steps), _taken(self.timestamps), self.lines)


def _taken(parts: list[NDArray[Number]]) -> NDArray[Number]:
    """The parts as one array; they themselves are let go, so that only one column at a time is there twice."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def read_large(body: Body, keep_image: KeepImage) -> PointColumns | list[Operation]:
    """What a body holds: columns when it only logs points of series that occur once, else operations.

    Raises MalformedBody, and TooLarge for more than MAX_OPERATIONS operations or MAX_LINES lines. Nothing was applied
    then, since nothing is applied before all was read.
    """
    reader = _Reader(body, keep_image)
    try:
        for each in list_slices(body, SLICE_BYTES):
            if each.first + each.count > MAX_OPERATIONS:
                raise TooLarge(
                    f"The body holds more than {MAX_OPERATIONS} operations, which is the limit.",
                    limit=MAX_OPERATIONS,
                    got=each.first + each.count,
                )
            reader.read(each)
    except NotAList as error:
        raise MalformedBody("The body is not a list of operations.", position=error.position) from None
    return reader.result()


class _Reader:
    def __init__(self, body: Body, keep_image: KeepImage) -> None:
        self._body = body
        self._keep_image = keep_image
        self._floats, self._texts = _Columns(is_text=False), _Columns(is_text=True)
        self._others: list[Operation] = []

    def read(self, each: Slice) -> None:
        if each.count == 1 and each.end - each.start > SLICE_BYTES:
            self._read_long(each)
        else:
            self._read_short(each)

    def result(self) -> PointColumns | list[Operation]:
        floats = self._floats.floats() if self._floats.paths else None
        texts = self._texts.texts() if self._texts.paths else None
        paths = [*self._floats.paths, *self._texts.paths]
        if not self._others and len(set(paths)) == len(paths):
            return PointColumns(floats, texts)
        return sorted([*self._others, *_appends(floats), *_appends(texts)], key=lambda operation: operation.index)

    def _read_short(self, each: Slice) -> None:
        text = b"[%b]" % self._body[each.start : each.end]
        columns = read_points(text)
        if columns is None:
            self._others += [_packed(operation, each.first) for operation in self._operations(text, each.start - 1)]
            return
        if columns.floats is not None:
            self._floats.add(columns.floats, each.first)
        if columns.texts is not None:
            self._texts.add(columns.texts, each.first)

    def _operations(self, text: bytes, offset: int) -> list[Operation]:
        """The operations of a slice whose first byte is byte `offset` of the body."""
        try:
            return read_batch(parse_json(text), self._keep_image)
        except MalformedBody as error:
            position = max(error.details.get("position", 0) + offset, 0)
            raise MalformedBody(error.message, position=position) from None

    def _read_long(self, each: Slice) -> None:
        """One operation that is longer than a slice: by slices of its points where it has points."""
        head = _HEAD.match(self._body, each.start, each.end)
        tail = _TAIL.search(self._body, max(each.start, each.end - _TAIL_BYTES), each.end)
        if head is None or tail is None or head.end() > tail.start():
            self._read_whole(each)
            return
        try:
            read = self._read_points(each, head.end() - 1, tail.start() + 1)
        except NotAList:  # what looked like the points' end belongs to something else
            self._read_whole(each)
            return
        if isinstance(read, UnreadableOperation):
            self._others.append(read)
        elif read.is_text:
            self._texts.join(read)
        else:
            self._floats.join(read)

    def _read_points(self, each: Slice, opening: int, closing: int) -> _Columns | UnreadableOperation:
        """The points between the brackets at bytes `opening` and `closing - 1`; what is wrong when one is."""
        before, after = self._body[each.start : opening + 1], self._body[closing - 1 : each.end]
        series: _Columns | None = None
        for part in list_slices(memoryview(self._body)[opening:closing], SLICE_BYTES):
            start = opening + part.start
            text = b"[%b%b%b]" % (before, self._body[start : opening + part.end], after)
            block = self._block(text, start - len(before) - 1)
            if isinstance(block, UnreadableOperation):
                return replace(block, index=each.first)
            if series is None:
                series = _Columns(is_text=isinstance(block, TextBlock))
                series.add(block, each.first)
            else:
                series.extend_last(block)
        if series is None:
            raise NotAList(opening)  # megabytes of white space: left to those who read it whole
        return series

    def _block(self, text: bytes, offset: int) -> FloatBlock | TextBlock | UnreadableOperation:
        """The points of the one operation that `text` holds."""
        columns = read_points(text)
        if columns is not None:
            block = columns.floats or columns.texts
            assert block is not None  # noqa: S101 - one operation has points of one kind
            return block
        (operation,) = self._operations(text, offset)
        if isinstance(operation, UnreadableOperation):
            return operation
        assert isinstance(operation, AppendFloats | AppendStrings)  # noqa: S101 - so its head says
        return _block_of(operation)

    def _read_whole(self, each: Slice) -> None:
        limit = MAX_IMAGES_BYTES if _IMAGES.match(self._body, each.start, each.end) else MAX_OPERATION_BYTES
        if each.end - each.start <= limit:
            self._read_short(each)
            return
        found = _FIRST_PATH.match(self._body, each.start, each.end)
        path = orjson.loads(found[1])[:1024] if found else ""
        message = f"The operation has {each.end - each.start} bytes; the limit is {limit}."
        self._others.append(UnreadableOperation(path=path, index=each.first, code="invalid_operation", message=message))


def _block_of(operation: AppendFloats | AppendStrings) -> FloatBlock | TextBlock:
    count = [len(operation.values)]
    steps, timestamps = np.asarray(operation.steps, np.float64), np.asarray(operation.timestamps, np.int64)
    if isinstance(operation, AppendFloats):
        return FloatBlock([operation.path], [0], count, steps, timestamps, np.asarray(operation.values, np.float64))
    return TextBlock([operation.path], [0], count, steps, timestamps, operation.values)


def _packed(operation: Operation, first: int) -> Operation:
    """The operation under its number in the body, with its points in columns."""
    if isinstance(operation, AppendFloats | AppendStrings):
        (operation,) = _appends(_block_of(operation), [operation.index])
    return replace(operation, index=first + operation.index)


def _appends(block: FloatBlock | TextBlock | None, indexes: Sequence[int] | None = None) -> list[Operation]:
    """An append for each series of a block."""
    if block is None:
        return []
    kind = AppendFloats if isinstance(block, FloatBlock) else AppendStrings
    bounds = [0, *accumulate(block.counts)]
    return [
        kind(
            path=path,
            index=index,
            values=block.values[start:end],  # type: ignore[arg-type]
            steps=block.steps[start:end],  # type: ignore[arg-type]
            timestamps=block.timestamps[start:end],  # type: ignore[arg-type]
        )
        for path, index, (start, end) in zip(block.paths, indexes or block.indexes, pairwise(bounds), strict=True)
    ]
