"""The summaries of a run's series as they are now: the attribute rows with the log on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runs.series.base import SeriesSummary
from runs.series.layout import late_chunks, lay_out, load_data
from runs.series.snapshot import snapshot
from runs.series.summary import Summary, read_summaries, summarise
from runs.series.tail import Tail, read_log, resolve


def current_summaries(run_id: int, definition_ids: Sequence[int] | None) -> dict[int, SeriesSummary]:
    with snapshot():
        flushed = {summary.definition_id: summary for summary in read_summaries([run_id], definition_ids)}
        logged = read_log([run_id], flushed.keys())
        tails = {pk: resolve(points, flushed[pk].last_step) for (_, pk), points in logged.items()}
        current = {**flushed, **_with_tails(run_id, flushed, tails)}
    return {pk: summary.as_series_summary() for pk, summary in current.items()}


def _with_tails(run_id: int, flushed: Mapping[int, Summary], tails: Mapping[int, Tail]) -> dict[int, Summary]:
    """Chunks are read only where points came late: for the others, the new points are simply added."""
    stored = late_chunks(run_id, first_late_steps(flushed, tails))
    layouts = {pk: lay_out(stored.get((run_id, pk), []), tail.points) for pk, tail in tails.items()}
    data = load_data(segment for segments in layouts.values() for segment in segments if segment.extra is not None)
    return {pk: summarise(flushed[pk], tails[pk].points, segments, data) for pk, segments in layouts.items()}


def first_late_steps(flushed: Mapping[int, Summary], tails: Mapping[int, Tail]) -> dict[int, float]:
    """The first new step of each series that has one at or before its last flushed step."""
    firsts = {pk: float(tail.points.steps[0]) for pk, tail in tails.items()}
    return {pk: first for pk, first in firsts.items() if first <= _last_step(flushed[pk])}


def _last_step(summary: Summary) -> float:
    return float("-inf") if summary.last_step is None else summary.last_step
