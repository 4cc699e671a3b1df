"""One attribute of all runs of a project, as arrays. A run is known by its place: the index of its entry in each array.

Columns grow when runs are made; `clear` and `put` give some runs other values. The places are those of a Table, which
also calls all methods under its lock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from runs.query import Aggregate
from runs.selectors.compiled import figure
from runs.selectors.vectors.reading import Rows, indexed_numbers, indexed_texts, read_rows

Places = NDArray[np.int64]
_TEXT_BYTES = 120  # a short Python text with its entry in a dictionary and in two lists


class Given(IntEnum):
    """What a run has of a number."""

    NOTHING = 0
    NUMBER = 1
    NAN = 2
    EMPTY = 3  # the attribute, but no number


@dataclass(frozen=True, slots=True)
class NumberKey:
    definition_id: int
    aggregate: Aggregate = Aggregate.LAST

    @property
    def is_indexed(self) -> bool:
        """Whether an index has the numbers."""
        return self.aggregate is Aggregate.LAST


@dataclass(frozen=True, slots=True)
class TextKey:
    definition_id: int


@dataclass(frozen=True, slots=True)
class TagKey:
    definition_id: int


ColumnKey = NumberKey | TextKey | TagKey
"""What a column holds."""


class Column(Protocol):
    """The values of one attribute by place."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, run_ids: Collection[int] | None) -> Rows:
        """What these runs have (None for all)."""
        ...

    def grow(self, count: int) -> None:
        """Have room for so many runs; the new ones have nothing."""
        ...

    def clear(self, places: Places) -> None:
        """Take away what these runs have."""
        ...

    def put(self, places: Places, rows: Rows) -> None:
        """Give runs that have nothing what these rows say; a row for each place."""
        ...


def new_column(key: ColumnKey) -> Column:
    """An empty column for what the key says."""
    match key:
        case NumberKey():
            return NumberColumn(key)
        case TextKey():
            return TextColumn(key)
        case TagKey():
            return TagColumn(key)


class NumberColumn:
    """`values` where `given` says that there is a number."""

    def __init__(self, key: NumberKey) -> None:
        self._key = key
        self.values: NDArray[np.float64] = np.zeros(0)
        self.given: NDArray[np.int8] = np.zeros(0, np.int8)

    @property
    def size_bytes(self) -> int:
        return self.values.nbytes + self.given.nbytes

    def read(self, run_ids: Collection[int] | None) -> Rows:
        indexed = indexed_numbers(self._key.definition_id) if run_ids is None and self._key.is_indexed else None
        if indexed is not None:
            return indexed
        columns = f"a.run_id, {figure(self._key.aggregate)}, a.flags"
        rows = read_rows("runs_attribute", columns, self._key.definition_id, run_ids)
        return Rows.of(rows, np.float64, np.int8)  # None becomes NaN, which the database never gives

    def grow(self, count: int) -> None:
        self.values = _longer(self.values, count, 0.0)
        self.given = _longer(self.given, count, Given.NOTHING)

    def clear(self, places: Places) -> None:
        self.given[places] = Given.NOTHING

    def put(self, places: Places, rows: Rows) -> None:
        values, flags = rows.parts
        has_nan = flags > 0
        if self._key.aggregate is not Aggregate.LAST:
            has_nan[:] = False
        is_number = ~np.isnan(values)
        self.values[places] = np.where(is_number, values, 0.0)
        self.given[places] = np.select([is_number, has_nan], [Given.NUMBER, Given.NAN], Given.EMPTY)


class TextColumn:
    """The text of a run is at the place `codes` has in `heads` (what is sorted by) and `wholes`; -1 for none. A run
    with the attribute but without a text has None there."""

    def __init__(self, key: TextKey) -> None:
        self._key = key
        self.codes: NDArray[np.int32] = np.zeros(0, np.int32)
        self.heads: list[str | None] = []
        self.wholes: list[str | None] = []
        self._known: dict[tuple[str | None, str | None], int] = {}
        self._long_bytes = 0

    @property
    def size_bytes(self) -> int:
        return self.codes.nbytes + _TEXT_BYTES * len(self.heads) + self._long_bytes

    def read(self, run_ids: Collection[int] | None) -> Rows:
        indexed = indexed_texts(self._key.definition_id) if run_ids is None else None
        if indexed is not None:
            return indexed
        rows = read_rows("runs_attribute", "a.run_id, a.text, a.long_text", self._key.definition_id, run_ids)
        return Rows.of(rows, object, object)

    def grow(self, count: int) -> None:
        self.codes = _longer(self.codes, count, -1)

    def clear(self, places: Places) -> None:
        self.codes[places] = -1

    def put(self, places: Places, rows: Rows) -> None:
        texts, long_texts = (part.tolist() for part in rows.parts)
        self.codes[places] = list(map(self._code, texts, long_texts))

    def _code(self, text: str | None, long_text: str | None) -> int:
        code = self._known.setdefault((text, long_text), len(self.heads))
        if code == len(self.heads):
            self.heads.append(text)
            self.wholes.append(text if long_text is None else long_text)
            self._long_bytes += 4 * len(text or "") + 4 * len(long_text or "")
        return code


class TagColumn:
    """Pairs of a run's place and the code of a tag it has."""

    def __init__(self, key: TagKey) -> None:
        self._key = key
        self.places: Places = np.zeros(0, np.int64)
        self.codes: NDArray[np.int32] = np.zeros(0, np.int32)
        self.tags: dict[str, int] = {}

    @property
    def size_bytes(self) -> int:
        return self.places.nbytes + self.codes.nbytes + _TEXT_BYTES * len(self.tags)

    def read(self, run_ids: Collection[int] | None) -> Rows:
        return Rows.of(read_rows("runs_attributetag", "a.run_id, a.tag", self._key.definition_id, run_ids), object)

    def grow(self, count: int) -> None:
        """Runs without tags take no room."""

    def clear(self, places: Places) -> None:
        kept = ~np.isin(self.places, places)
        self.places, self.codes = self.places[kept], self.codes[kept]

    def put(self, places: Places, rows: Rows) -> None:
        codes = [self.tags.setdefault(tag, len(self.tags)) for tag in rows.parts[0].tolist()]
        self.places = np.concatenate([self.places, places])
        self.codes = np.concatenate([self.codes, np.array(codes, np.int32)])


def _longer(array: NDArray[Any], count: int, value: float) -> NDArray[Any]:
    missing = count - len(array)
    return np.concatenate([array, np.full(missing, value, array.dtype)]) if missing > 0 else array
