"""When a search is answered from memory, and what is kept there.

Columns that the indexes have are read when they are asked for: that takes no longer than the database's answer. Others
are read when they are asked for a second time, since reading one costs a few times as much. All columns of a process
together keep to TABLE_MEMORY_MB; those not used for the longest time go first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from cachetools import TTLCache
from django.conf import settings
from django.db import connection

from projects.models import Project
from runs.query import Aggregate
from runs.selectors.compiled import Scope
from runs.selectors.ordering import Key, Place
from runs.selectors.vectors.columns import ColumnKey, NumberKey, TextKey
from runs.selectors.vectors.masks import keys_of, mask_of
from runs.selectors.vectors.pages import page_of, sort_keys_of
from runs.selectors.vectors.table import Table

MIN_RUNS = 2_000  # the database is as quick with fewer
_ASKED_SECONDS = 600.0

_lock = Lock()
_tables: OrderedDict[int, Table] = OrderedDict()  # what was used last is last
_asked: TTLCache[tuple[int, ColumnKey], bool] = TTLCache(maxsize=10_000, ttl=_ASKED_SECONDS)


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of the runs that match, and how many do."""

    places: list[Place]
    total: int


def answer_from_memory(
    project: Project, scope: Scope, key: Key, *, after: Place | None, offset: int, limit: int
) -> Answer | None:
    """The page that follows `after` without its first `offset` runs; None if the database is the better one to ask.

    One query for what changed since the last answer, and one for each column in which something did.
    """
    keys = _held_keys(scope, key)
    if keys is None or not settings.TABLE_MEMORY_MB or project.last_run_number < MIN_RUNS:
        return None
    if connection.in_atomic_block:  # a transaction may see what others do not
        return None
    table = _table_for(project.pk, keys)
    if table is None:
        return None
    with table.lock:
        table.refresh()
        matching = table.in_scope(scope.kinds, scope.trashed) & mask_of(table, scope.condition)
        answer = Answer(
            page_of(table, matching, key, after=after, offset=offset, limit=limit) if limit else [],
            int(matching.sum()),
        )
    _make_room(table)
    return answer


def forget_vectors() -> None:
    """Empty the process's memory; for tests, whose databases are rolled back under it."""
    with _lock:
        _tables.clear()
        _asked.clear()


def _held_keys(scope: Scope, key: Key) -> set[ColumnKey] | None:
    """The columns that would answer; None if they can't, or if an index gives the answer at once."""
    if scope.text or (scope.is_plain and key.sort.aggregate is Aggregate.LAST):
        return None
    condition, order = keys_of(scope.condition), sort_keys_of(key)
    return None if condition is None or order is None else condition | order


def _table_for(project_id: int, keys: set[ColumnKey]) -> Table | None:
    """The table, if it has all these columns or each missing one was asked for before."""
    with _lock:
        table = _tables.get(project_id)
        if table is not None and table.is_old:
            del _tables[project_id]
            table = None
        missing = [key for key in keys if table is None or key not in table.columns]
        unasked = [key for key in missing if not _is_cheap(key) and (project_id, key) not in _asked]
        for key in missing:
            _asked[project_id, key] = True
        if unasked:
            return None
        table = _tables.setdefault(project_id, table or Table(project_id))
        _tables.move_to_end(project_id)
    return table


def _is_cheap(key: ColumnKey) -> bool:
    """Whether indexes have all of the column, so that reading it takes no longer than an answer of the database."""
    return isinstance(key, TextKey) or (isinstance(key, NumberKey) and key.is_indexed)


def _make_room(used: Table) -> None:
    """Drop what was not used for the longest time until all fits; the last to go is what was just used."""
    with _lock:
        room = settings.TABLE_MEMORY_MB * 2**20
        while len(_tables) > 1 and _size() > room:
            _tables.popitem(last=False)
    with used.lock:
        while used.columns and used.size_bytes > room:
            used.drop_oldest()


def _size() -> int:
    return sum(table.size_bytes for table in _tables.values())
