"""The runs of one project and the columns that are held of them, kept true to the database.

Whoever changes an attribute row of a run moves `Run.values_changed_at` in the same transaction. Before each answer the
table asks which runs have one that it has not seen, and reads their values anew in the columns that are needed. Since a
transaction may end some time after the moment it wrote, and clocks differ, it looks back a minute further each time.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runs.models import ContainerKind
from runs.selectors.vectors.columns import Column, ColumnKey, Places, new_column
from runs.selectors.vectors.reading import KINDS, Rows, read_mark, read_runs

LOOK_BACK_US = 60_000_000
# After which all is read anew, should runs have been removed by ways that leave no trace.
MAX_AGE_SECONDS = 3600.0
# After a look that found more changed runs than this (many were imported), the next one first asks whether anything has
# changed since; so that it can, looks begin at the same moment for a while.
MANY_CHANGED = 500
_GRID_US = 30_000_000
READ_AGAIN_SHARE = 0.1  # when more of the runs than this have changed, a column is read as a whole


class Table:
    """Use it inside `with table.lock`, after `refresh`."""

    def __init__(self, project_id: int) -> None:
        self.lock = RLock()
        self.columns: OrderedDict[ColumnKey, Column] = OrderedDict()  # what was used last is last
        self.ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self.numbers: NDArray[np.int64] = np.zeros(0, np.int64)
        self.created_us: NDArray[np.int64] = np.zeros(0, np.int64)
        self._kinds: NDArray[np.int8] = np.zeros(0, np.int8)
        self._is_trashed: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._seen_us: NDArray[np.int64] = np.zeros(0, np.int64)  # values_changed_at
        self._changed_in: NDArray[np.int64] = np.zeros(0, np.int64)  # the refresh that found the run changed
        self._true_since: dict[ColumnKey, int] = {}  # the refresh of which a column has the values
        self._project_id = project_id
        self._order: NDArray[np.int64] | None = None
        self._refreshes = 0
        self._looked_at_us = 0
        self._found = 0  # by the last look
        self._seen_mark: tuple[int, ...] | None = None
        self._made_at = time.monotonic()

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self._made_at > MAX_AGE_SECONDS

    @property
    def size_bytes(self) -> int:
        columns = list(self.columns.values())  # at once: this is asked without the lock, too
        return 50 * len(self.ids) + sum(column.size_bytes for column in columns)

    def refresh(self) -> None:
        """See which runs were made or changed. One query, or two when many were the last time."""
        now = time.time_ns() // 1000
        since = (self._looked_at_us - LOOK_BACK_US) // _GRID_US * _GRID_US if self._looked_at_us else None
        mark = self._mark(since) if since is not None and self._found > MANY_CHANGED else None
        self._looked_at_us = now
        if mark is not None and mark == self._seen_mark:
            return
        read = read_runs(self._project_id, since)
        self._seen_mark, self._found = mark, len(read.ids)
        self._refreshes += 1
        if not len(read.ids):
            return
        places = self._places(read.ids, is_new_too=True)
        news = self._seen_us[places] != read.changed_us
        places = places[news]
        self._kinds[places], self._is_trashed[places] = read.kinds[news], read.is_trashed[news]
        self.numbers[places], self.created_us[places] = read.numbers[news], read.created_us[news]
        self._seen_us[places] = read.changed_us[news]
        self._changed_in[places] = self._refreshes

    def column(self, key: ColumnKey) -> Any:
        """What the key says, of all runs as of the last refresh. At most one query."""
        column = self.columns.get(key)
        since = self._true_since.get(key, 0)
        stale = np.flatnonzero(self._changed_in > since)
        if column is None or len(stale) > max(1000, READ_AGAIN_SHARE * len(self.ids)):
            column = new_column(key)
            column.grow(len(self.ids))
            self._put(column, column.read(None))
        else:
            column.grow(len(self.ids))
            if len(stale):
                rows = column.read(self.ids[stale].tolist())
                column.clear(stale)
                self._put(column, rows)
        self._true_since[key] = self._refreshes
        self.columns[key] = column
        self.columns.move_to_end(key)
        return column

    def drop_oldest(self) -> None:
        """Forget the column that was not used for the longest time."""
        key, _ = self.columns.popitem(last=False)
        del self._true_since[key]

    def in_scope(self, kinds: Iterable[ContainerKind], trashed: bool | None) -> NDArray[np.bool_]:
        """Which runs are of these kinds and in the trash, or not, or either (None)."""
        codes = [KINDS.index(ContainerKind(kind).value) for kind in kinds]
        found: NDArray[np.bool_] = np.isin(self._kinds, codes)
        if trashed is not None:
            found &= self._is_trashed if trashed else ~self._is_trashed
        return found

    @property
    def is_trashed(self) -> NDArray[np.bool_]:
        return self._is_trashed

    def _put(self, column: Column, rows: Rows) -> None:
        """Runs that were made since the refresh are left out; the next one finds them."""
        places = self._places(rows.run_ids)
        known = places >= 0
        column.put(places[known], rows if known.all() else rows.only(known))

    def _places(self, ids: NDArray[np.int64], *, is_new_too: bool = False) -> Places:
        """The places of runs; those that have none get one, or are -1."""
        if self._order is None:
            self._order = np.argsort(self.ids)
        if not len(ids):
            return np.zeros(0, np.int64)
        found = np.searchsorted(self.ids, ids, sorter=self._order)
        places = np.full(len(ids), -1, np.int64)
        inside = found < len(self.ids)
        candidates = self._order[found[inside]]
        places[inside] = np.where(self.ids[candidates] == ids[inside], candidates, -1)
        new = places < 0
        if is_new_too and new.any():
            places[new] = self._add(ids[new])
        return places

    def _add(self, ids: NDArray[np.int64]) -> Places:
        first, count = len(self.ids), len(ids)
        zeros = np.zeros(count, np.int64)
        self.ids = np.concatenate([self.ids, ids])
        self.numbers = np.concatenate([self.numbers, zeros])
        self.created_us = np.concatenate([self.created_us, zeros])
        self._seen_us = np.concatenate([self._seen_us, zeros - 1])
        self._changed_in = np.concatenate([self._changed_in, zeros])
        self._kinds = np.concatenate([self._kinds, zeros.astype(np.int8)])
        self._is_trashed = np.concatenate([self._is_trashed, zeros.astype(np.bool_)])
        self._order = None
        return np.arange(first, first + count)

    def _mark(self, since_us: int) -> tuple[int, ...]:
        """What differs when a run was made or changed since then: any of their moments moves."""
        return since_us, *read_mark(self._project_id, since_us)
