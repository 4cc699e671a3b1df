"""The points of series. `store` is the configured SeriesStore; see base.py for the terms and promises."""

from runs.series.pending import count_unflushed, runs_to_flush
from runs.series.store import DatabaseSeriesStore

store = DatabaseSeriesStore()

__all__ = ["count_unflushed", "runs_to_flush", "store"]
