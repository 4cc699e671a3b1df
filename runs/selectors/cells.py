"""The cells of a table of runs: one attribute of one run each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from projects.rows import fetch
from runs.models import Attribute, AttributeKind
from runs.selectors.attributes import Value, cell_value
from runs.selectors.conditions import Definitions

_VALUE = ("run_id", "definition_id", "flags", "number", "text")
_STATISTICS = ("count", "last_step", "minimum", "maximum", "total", "sum_squares", "finite_count")
_SHOWN_AS_TEXT = frozenset({AttributeKind.GIT_REF, AttributeKind.FILE, AttributeKind.FILE_SET})
_FLOATS = frozenset({AttributeKind.FLOAT, AttributeKind.FLOAT_SERIES})
_NAN = float("nan")


@dataclass(slots=True)
class Statistics:
    """What a series comes to; all but the number of points and the last step over finite values only."""

    count: int
    last_step: float | None
    minimum: float | None
    maximum: float | None
    mean: float | None
    variance: float | None


class Cell(Struct, gc=False, omit_defaults=True):
    """One attribute of one run in a table; of a series the value at its largest step. A page has thousands, so that
    interfaces may write them as they are: `kind` is the label of an AttributeKind."""

    kind: str
    value: Value
    statistics: Statistics | None = None


def read_cells(
    run_ids: Sequence[int], paths: Sequence[str], definitions: Definitions, *, with_statistics: bool
) -> dict[int, dict[str, Cell]]:
    """What each run has at the paths, by run and path. One query."""
    cells: dict[int, dict[str, Cell]] = {pk: {} for pk in run_ids}
    # What follows from the kind is looked up once: members of an enumeration are hashed in Python.
    shown = {
        each.id: (
            each.path,
            each.kind,
            str(each.kind.label),
            each.kind in _FLOATS,
            with_statistics and each.kind.is_series,
        )
        for path in paths
        for each in definitions.get(path, ())
    }
    if not cells or not shown:
        return cells
    # Past the ORM, and without a call for each number: a page has thousands of cells.
    columns = _VALUE + _STATISTICS if with_statistics else _VALUE
    for row in _rows(columns, run_ids, list(shown)):
        run_id, definition_id, flags, number, text = row[:5]
        path, kind, label, is_float, has_statistics = shown[definition_id]
        if is_float:
            value: Value = _NAN if flags else number
        else:
            value = text if kind in _SHOWN_AS_TEXT else cell_value(kind, flags, number, text)
        cells[run_id][path] = Cell(label, value, _statistics(*row[5:]) if has_statistics else None)
    return cells


def _rows(columns: Sequence[str], run_ids: Sequence[int], definition_ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """The ids stand in the statement: PostgreSQL hashes lists that it knows when it plans, and searches through those
    that come as parameters row by row, which takes twice as long."""
    runs, attributes = ", ".join(map(str, run_ids)), ", ".join(map(str, definition_ids))
    return fetch(
        f"SELECT {', '.join(columns)} FROM {Attribute._meta.db_table} "  # noqa: S608 - own names and whole numbers
        f"WHERE run_id IN ({runs}) AND definition_id IN ({attributes})",
        [],
    )


def _statistics(
    count: int,
    last_step: float | None,
    minimum: float | None,
    maximum: float | None,
    total: float,
    squares: float,
    finite_count: int,
) -> Statistics:
    if not finite_count:
        return Statistics(count, last_step, minimum, maximum, None, None)
    mean = total / finite_count
    return Statistics(count, last_step, minimum, maximum, mean, max(0.0, squares / finite_count - mean * mean))
