"""Which runs meet a condition, as a boolean for each place of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runs.selectors.conditions import (
    Both,
    Bound,
    ColumnLeaf,
    Either,
    ExistsLeaf,
    NumberLeaf,
    StateLeaf,
    TagLeaf,
    TextLeaf,
    TrashLeaf,
    Unless,
    leaves,
)
from runs.selectors.vectors.columns import (
    ColumnKey,
    Given,
    NumberColumn,
    NumberKey,
    TagColumn,
    TagKey,
    TextColumn,
    TextKey,
)
from runs.selectors.vectors.table import Table

Mask = NDArray[np.bool_]


def keys_of(condition: Bound) -> set[ColumnKey] | None:
    """The columns that a condition needs; None if it asks for what is not held: columns of the run's own row, most of
    which change all the time."""
    found: set[ColumnKey] = set()
    for leaf in leaves(condition):
        match leaf:
            case NumberLeaf():
                found.add(NumberKey(leaf.definition_id, leaf.aggregate))
            case TextLeaf():
                found.add(TextKey(leaf.definition_id))
            case TagLeaf():
                found.add(TagKey(leaf.definition_id))
            case ExistsLeaf():
                found.add(NumberKey(leaf.definition_id))
            case ColumnLeaf() | StateLeaf():
                return None
    return found


def mask_of(table: Table, condition: Bound) -> Mask:
    """The runs that meet it; `keys_of` must have named all it needs."""
    match condition:
        case Both(parts):
            found = np.ones(len(table.ids), np.bool_)
            for part in parts:
                found &= mask_of(table, part)
            return found
        case Either(parts):
            found = np.zeros(len(table.ids), np.bool_)
            for part in parts:
                found |= mask_of(table, part)
            return found
        case Unless(part):
            return ~mask_of(table, part)
        case NumberLeaf():
            return _numbers(table.column(NumberKey(condition.definition_id, condition.aggregate)), condition)
        case TextLeaf():
            return _texts(table.column(TextKey(condition.definition_id)), condition)
        case TagLeaf(definition_id, tag):
            return _tagged(table.column(TagKey(definition_id)), tag, len(table.ids))
        case ExistsLeaf(definition_id):
            number: NumberColumn = table.column(NumberKey(definition_id))
            return _as_mask(number.given != Given.NOTHING)
        case TrashLeaf(is_trashed):
            return _as_mask(table.is_trashed == is_trashed)
        case _:
            raise ValueError(f"{condition} is not held in memory")


_COMPARE: dict[str, Callable[[NDArray[np.float64], float], Mask]] = {
    "=": np.equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def _numbers(column: NumberColumn, leaf: NumberLeaf) -> Mask:
    if leaf.operator == "!=":  # also where there is no number
        same = (column.given == Given.NUMBER) & (column.values == leaf.value)
        return _as_mask((column.given != Given.NOTHING) & ~same)
    return _as_mask((column.given == Given.NUMBER) & _COMPARE[leaf.operator](column.values, leaf.value))


def _as_mask(found: Any) -> Mask:
    """numpy's operators on arrays are typed as giving anything."""
    mask: Mask = found
    return mask


def _texts(column: TextColumn, leaf: TextLeaf) -> Mask:
    """Each text that there is is compared once. The last entry stands for runs without the attribute."""
    by_code = np.fromiter((*_holds(column.wholes, leaf), False), np.bool_, len(column.wholes) + 1)
    return by_code[column.codes]


def _holds(texts: list[str | None], leaf: TextLeaf) -> Iterator[bool]:
    value = leaf.value
    match leaf.operator:
        case "=":
            return (text == value for text in texts)
        case "!=":
            return (text != value for text in texts)
        case "CONTAINS":
            return (text is not None and value in text for text in texts)
        case "NOT CONTAINS":
            return (text is None or value not in text for text in texts)
        case "<":
            return (text is not None and text < value for text in texts)
        case "<=":
            return (text is not None and text <= value for text in texts)
        case ">":
            return (text is not None and text > value for text in texts)
        case ">=":
            return (text is not None and text >= value for text in texts)
    raise ValueError(leaf.operator)


def _tagged(column: TagColumn, tag: str, count: int) -> Mask:
    found = np.zeros(count, np.bool_)
    if tag in column.tags:
        found[column.places[column.codes == column.tags[tag]]] = True
    return found
