"""Cutting a long JSON list into slices of whole elements without making an object of every element.

A body of 150 MB, parsed at once, takes a gigabyte. Here the text is only looked at: blocks of it are searched with
numpy for quotes, brackets and commas, and the commas between the list's own elements are where it may be cut. What
stands between them is not checked; whoever parses a slice does that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024 * 1024
_QUOTE, _OPEN, _CLOSE, _COMMA = 1, 2, 3, 4
_CLASSES = np.zeros(256, np.uint8)
_CLASSES[ord('"')] = _QUOTE
_CLASSES[[ord("["), ord("{")]] = _OPEN
_CLASSES[[ord("]"), ord("}")]] = _CLOSE
_CLASSES[ord(",")] = _COMMA
_DEPTHS = np.array([0, 0, 1, -1, 0], np.int32)
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_SOMETHING = re.compile(rb"[^ \t\r\n]")

Buffer = bytes | mmap | memoryview
Positions = NDArray[np.int64]


class NotAList(ValueError):
    """The text is not one JSON list; `position` is the byte where that showed."""

    def __init__(self, position: int) -> None:
        super().__init__(f"The text is not one JSON list: at byte {position}.")
        self.position = position


@dataclass(frozen=True, slots=True)
class Slice:
    """`count` elements from number `first` on, with the commas between them, at bytes `start` to `end - 1`."""

    first: int
    count: int
    start: int
    end: int


def list_slices(text: Buffer, size: int) -> Iterator[Slice]:
    """The elements of the list in slices of about `size` bytes; one that is longer has a slice of its own.

    Raises NotAList, possibly after the first slices.
    """
    scan = _Scan(text)
    start, first, known = scan.begin, 0, 0
    waiting: list[Positions] = []
    for commas in scan.commas():
        waiting.append(commas)
        known = int(commas[-1]) if len(commas) else known
        if known - start < size:
            continue
        cuts = np.concatenate(waiting)
        while len(cuts) and int(cuts[-1]) - start >= size:
            taken = max(int(np.searchsorted(cuts, start + size, side="right")), 1)
            end = int(cuts[taken - 1])
            yield Slice(first, taken, start, end)
            start, first, cuts = end + 1, first + taken, cuts[taken:]
        waiting = [cuts]
    cuts = np.concatenate(waiting) if waiting else np.empty(0, np.int64)
    if len(cuts) and scan.end - start > size:  # a long last element must not carry the ones before it
        yield Slice(first, len(cuts), start, int(cuts[-1]))
        start, first, cuts = int(cuts[-1]) + 1, first + len(cuts), cuts[:0]
    if _SOMETHING.search(text, start, scan.end):
        yield Slice(first, len(cuts) + 1, start, scan.end)
    elif first or len(cuts):
        raise NotAList(scan.end)  # a comma with nothing behind it


class _Scan:
    """One pass over the text. `begin` is the byte behind the opening bracket, `end` that of the closing one."""

    def __init__(self, text: Buffer) -> None:
        self._text = text
        self._bytes = np.frombuffer(text, np.uint8)
        opening = re.match(rb"[ \t\r\n]*\[", text)
        if opening is None:
            raise NotAList(0)
        self.begin = opening.end()
        self.end = 0
        self._depth = 1
        self._is_inside_text = 0
        self._is_escaped = False

    def commas(self) -> Iterator[Positions]:
        """The commas between the list's elements, block by block; at last sets `end`."""
        for start in range(self.begin, len(self._bytes), BLOCK):
            positions, classes = self._tokens(start)
            depths = self._depth + np.cumsum(_DEPTHS[classes], dtype=np.int32)
            if len(depths):
                self._depth = int(depths[-1])
            closed = np.flatnonzero(depths <= 0)
            if len(closed):
                self._finish(int(positions[closed[0]]))
                open_until = int(closed[0])
                positions, classes, depths = positions[:open_until], classes[:open_until], depths[:open_until]
            yield positions[(classes == _COMMA) & (depths == 1)]
            if self.end:
                return
        raise NotAList(len(self._bytes))

    def _tokens(self, start: int) -> tuple[Positions, NDArray[np.uint8]]:
        """Where brackets and commas outside of strings are, and which is which."""
        block = self._without_escapes(self._bytes[start : start + BLOCK])
        classes = _CLASSES[block]
        positions = np.flatnonzero(classes)
        classes = classes[positions]
        is_quote = classes == _QUOTE
        inside = (np.cumsum(is_quote, dtype=np.int32) + self._is_inside_text) & 1
        if len(inside):
            self._is_inside_text = int(inside[-1])
        kept = ~(is_quote | inside.astype(bool))
        return positions[kept] + start, classes[kept]

    def _without_escapes(self, block: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The block with every backslash and the character behind it blanked, if there are any."""
        if not self._is_escaped and not (block == ord("\\")).any():
            return block
        text = block.tobytes()
        if self._is_escaped:
            text = b"_" + text[1:]
        text = _ESCAPE.sub(b"__", text)
        self._is_escaped = text.endswith(b"\\")
        return np.frombuffer(text, np.uint8)

    def _finish(self, end: int) -> None:
        """The list ended at byte `end`; only white space may follow."""
        if more := _SOMETHING.search(self._text, end + 1):
            raise NotAList(more.start())
        self.end = end
