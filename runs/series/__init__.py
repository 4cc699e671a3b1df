"""The points of series. `store` is the SeriesStore in use; see base.py for the terms and promises."""

from runs.series.base import SeriesStore
from runs.series.flush import flush_pending
from runs.series.pending import count_unflushed, runs_to_flush, runs_with_waiting_points
from runs.series.pressure import make_room, runs_with_room
from runs.series.purge import purge_some
from runs.series.store import DatabaseSeriesStore
from runs.series.writers import has_received, writer_of

store: SeriesStore = DatabaseSeriesStore()

__all__ = [
    "count_unflushed",
    "flush_pending",
    "has_received",
    "make_room",
    "purge_some",
    "runs_to_flush",
    "runs_with_room",
    "runs_with_waiting_points",
    "store",
    "writer_of",
]
