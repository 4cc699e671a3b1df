"""What the attributes of runs come to in a table: names, tags and cells.

A live table asks for the same page every few seconds, and most of its runs ended long ago. Whoever changes an attribute
of a run moves `Run.values_changed_at` in the same transaction, so what was read of a run holds until that differs: it
is kept, up to KEPT_CELLS in each process, and only the others are read. The run itself was read before its attributes:
what is kept may be newer than its mark, never older.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

from cachetools import LRUCache
from django.db import connection

from runs.models import AttributeTag, Run
from runs.selectors.cells import Cell, read_cells
from runs.selectors.conditions import Definitions

NAME, TAGS = "sys/name", "sys/tags"
KEPT_CELLS = 200_000  # about 25 MiB
_ROW_CELLS = 4  # what an entry takes beside its cells

_Mark: TypeAlias = tuple[object, ...]
_Columns: TypeAlias = tuple[tuple[str, ...], bool]


@dataclass(frozen=True, slots=True)
class Contents:
    """Of one run. It may be shown to several requests at once, so nobody changes it."""

    name: str
    tags: tuple[str, ...]
    cells: Mapping[str, Cell]


_kept: LRUCache[tuple[_Columns, int], tuple[_Mark, Contents]] = LRUCache(
    KEPT_CELLS, getsizeof=lambda entry: _ROW_CELLS + len(entry[1].cells)
)
_lock = Lock()


def read_contents(
    runs: Sequence[Run], paths: Sequence[str], definitions: Definitions, *, with_statistics: bool
) -> list[Contents]:
    """What each of the runs has at the paths, and its name and tags. `definitions` are those of the paths and of NAME
    and TAGS. Two queries, or none when all is known."""
    columns = (tuple(paths), with_statistics)
    # A transaction may see what others do not, and be taken back.
    known = {} if connection.in_atomic_block else _recall(runs, columns)
    missing = [run for run in runs if run.pk not in known]
    if missing:
        read = _read([run.pk for run in missing], paths, definitions, with_statistics=with_statistics)
        if not connection.in_atomic_block:
            _keep(missing, columns, read)
        known |= read
    return [known[run.pk] for run in runs]


def forget_contents() -> None:
    """Empty the process's memory; for tests, whose databases are emptied under it."""
    with _lock:
        _kept.clear()


def _recall(runs: Iterable[Run], columns: _Columns) -> dict[int, Contents]:
    found = {}
    with _lock:
        for run in runs:
            entry = _kept.get((columns, run.pk))
            if entry is not None and entry[0] == _mark(run):
                found[run.pk] = entry[1]
    return found


def _keep(runs: Iterable[Run], columns: _Columns, read: Mapping[int, Contents]) -> None:
    with _lock:
        for run in runs:
            _kept[columns, run.pk] = _mark(run), read[run.pk]


def _mark(run: Run) -> _Mark:
    """Differs when any attribute of the run does. The counters stand by the time, should two changes ever fall on one
    microsecond."""
    return run.values_changed_at, run.flush_count, run.attributes_version


def _read(
    run_ids: Sequence[int], paths: Sequence[str], definitions: Definitions, *, with_statistics: bool
) -> dict[int, Contents]:
    has_name_column = NAME in paths
    wanted = paths if has_name_column else [*paths, NAME]
    cells = read_cells(run_ids, wanted, definitions, with_statistics=with_statistics)
    tags = _tags(run_ids, definitions)
    found = {}
    for pk, of_run in cells.items():
        name = of_run.get(NAME) if has_name_column else of_run.pop(NAME, None)
        found[pk] = Contents(str(name.value or "") if name else "", tags.get(pk, ()), of_run)
    return found


def _tags(run_ids: Sequence[int], definitions: Definitions) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    ids = [each.id for each in definitions.get(TAGS, ())]
    if ids and run_ids:
        rows = AttributeTag.objects.filter(definition_id__in=ids, run_id__in=run_ids)
        for run_id, tag in rows.order_by("tag").values_list("run_id", "tag"):
            found.setdefault(run_id, []).append(tag)
    return {run_id: tuple(tags) for run_id, tags in found.items()}
