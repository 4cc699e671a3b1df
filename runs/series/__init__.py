"""The points of series. `store` is the SeriesStore in use; see base.py for the terms and promises."""

from runs.series.base import SeriesStore
from runs.series.flush import flush_pending
from runs.series.pending import count_unflushed, runs_to_flush
from runs.series.store import DatabaseSeriesStore

store: SeriesStore = DatabaseSeriesStore()

__all__ = ["count_unflushed", "flush_pending", "runs_to_flush", "store"]
