"""The order of runs in memory, and a page of it; see runs/selectors/ordering.py for the groups and their order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runs.selectors.ordering import Group, Key, Place, SortValue
from runs.selectors.vectors.columns import ColumnKey, Given, NumberColumn, NumberKey, Places, TextColumn, TextKey
from runs.selectors.vectors.table import Table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HELD = frozenset({"sys/creation_time", "sys/id"})


@dataclass(frozen=True, slots=True)
class _Ordered:
    """The runs of one group; they are ordered by `values` and then by their ids, without values by their ids alone.
    `shown` makes of a value what a Place has, `value_of` the reverse."""

    places: Places
    values: NDArray[np.float64] | None = None
    shown: Callable[[float], SortValue] = float
    value_of: Callable[[Any], float] = float


def sort_keys_of(key: Key) -> set[ColumnKey] | None:
    """The columns that an order needs; None if it is by what is not held."""
    if key.sort.is_column:
        return set() if key.sort.path in _HELD else None
    numbers: set[ColumnKey] = {NumberKey(pk, key.sort.aggregate) for pk in key.numbers}
    return numbers | {TextKey(pk) for pk in key.texts}


def page_of(
    table: Table, matching: NDArray[np.bool_], key: Key, *, after: Place | None, offset: int, limit: int
) -> list[Place]:
    """The places in the order of the matching runs that follow `after`, without the first `offset` of them."""
    found: list[Place] = []
    for group, ordered in _groups(table, np.flatnonzero(matching), key):
        if len(found) >= offset + limit:
            break
        if after is None or group >= after.group:
            begin = after if after is not None and group == after.group else None
            found += _first(table, group, ordered, key.sort.is_descending, begin, offset + limit - len(found))
    return found[offset:]


def _groups(table: Table, places: Places, key: Key) -> Iterator[tuple[Group, _Ordered]]:
    """The groups in their order, each with its runs."""
    if key.sort.path == "sys/creation_time":
        created = table.created_us[places].astype(np.float64)  # exact until the year 2255
        yield Group.NUMBER, _Ordered(places, created, _as_time, _as_microseconds)
    elif key.sort.path == "sys/id":
        yield Group.NUMBER, _Ordered(places, table.numbers[places].astype(np.float64), int)
    else:
        yield from _attribute_groups(table, places, key)


def _attribute_groups(table: Table, places: Places, key: Key) -> Iterator[tuple[Group, _Ordered]]:
    given, values = _numbers([table.column(NumberKey(pk, key.sort.aggregate)) for pk in key.numbers], places)
    is_number = given == Given.NUMBER
    yield Group.NUMBER, _Ordered(places[is_number], values[is_number])
    heads, ranks = _texts([table.column(TextKey(pk)) for pk in key.texts], places)
    is_text = ranks >= 0
    yield Group.TEXT, _text_group(places[is_text], heads, ranks[is_text])
    is_nan = given == Given.NAN
    yield Group.NAN, _Ordered(places[is_nan])
    yield Group.MISSING, _Ordered(places[~(is_number | is_text | is_nan)])


def _numbers(columns: Sequence[NumberColumn], places: Places) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """What the runs have in that of the columns in which they have something: a run has one kind at a path."""
    given, values = np.full(len(places), Given.NOTHING, np.int8), np.zeros(len(places))
    for column in columns:
        has = column.given[places] != Given.NOTHING
        given[has], values[has] = column.given[places[has]], column.values[places[has]]
    return given, values


def _texts(columns: Sequence[TextColumn], places: Places) -> tuple[list[str], NDArray[np.int64]]:
    """All texts in order, and for each run where its own stands among them; -1 for none."""
    heads = sorted({head for column in columns for head in column.heads if head is not None})
    order = {head: rank for rank, head in enumerate(heads)}
    ranks = np.full(len(places), -1, np.int64)
    for column in columns:
        by_code = np.array([*(-1 if head is None else order[head] for head in column.heads), -1], np.int64)
        ranks = np.maximum(ranks, by_code[column.codes[places]])
    return heads, ranks


def _text_group(places: Places, heads: list[str], ranks: NDArray[np.int64]) -> _Ordered:
    def value_of(head: str) -> float:
        rank = bisect_left(heads, head)
        return rank if rank < len(heads) and heads[rank] == head else rank - 0.5

    return _Ordered(places, ranks.astype(np.float64), lambda rank: heads[int(rank)], value_of)


def _first(
    table: Table, group: Group, ordered: _Ordered, is_descending: bool, after: Place | None, limit: int
) -> list[Place]:
    """The first places of a group, of those that follow `after`."""
    ids = table.ids[ordered.places]
    values = ids.astype(np.float64) if ordered.values is None else ordered.values
    if is_descending:
        ids, values = -ids, -values
    if after is not None:
        sign = -1 if is_descending else 1
        begin, begin_id = (after.run_id if ordered.values is None else ordered.value_of(after.value)), after.run_id
        follows = (values > sign * begin) | ((values == sign * begin) & (ids > sign * begin_id))
        ids, values = ids[follows], values[follows]
    if len(values) > limit:
        near = values <= np.partition(values, limit - 1)[limit - 1]
        ids, values = ids[near], values[near]
    order = np.lexsort((ids, values))[:limit]
    sign = -1 if is_descending else 1
    shown = [None] * len(order) if ordered.values is None else map(ordered.shown, (sign * values[order]).tolist())
    return [Place(group, value, run_id) for value, run_id in zip(shown, (sign * ids[order]).tolist(), strict=True)]


def _as_time(microseconds: float) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))


def _as_microseconds(moment: datetime) -> float:
    return float((moment - _EPOCH) // timedelta(microseconds=1))
