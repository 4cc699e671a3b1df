"""One long series for a chart. Ours is checked against the data that was sent: no extreme may be lost."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from bench.contenders import CHART_PATH, Contender, Server, Unavailable
from bench.database import POSTGRESQL, SQLITE
from bench.platform import PlatformServer
from bench.points import curve, times
from bench.report import Measured, absent, compare
from bench.session import FAILED, PLATFORM, Session, timed_median

UNIT = "ms"
SPIKES = 100
LEAST_BYTES = 2000  # of an answer with points in it
SAMPLES = {
    "MLflow": "2,500 samples",
    "FastTrackML": "500 samples",
    "Trackio": "3,000 samples",
    "Aim": "500 samples",
    "TensorBoard": "1,000 points drawn by lot",
}
KINDS = {"MLflow": POSTGRESQL, "FastTrackML": POSTGRESQL}
GOALS = {"MLflow": 100.0}


class WrongChart(Exception):
    """An answer of ours that does not show what was logged."""


def measure(session: Session) -> None:
    points = session.sizes.series_points
    ours = {kind: session.server(PLATFORM, kind) for kind in (POSTGRESQL, SQLITE)}
    runs: dict[str, str] = {}
    for kind, server in ours.items():
        assert isinstance(server, PlatformServer)
        runs[kind] = _checked_series(server, points)
    peers = _filled(session, points)
    figures: dict[str, list[float]] = {}
    for turn in range(session.sizes.repeats):
        for kind, server in ours.items():
            _time(session, figures, kind, server, runs[kind])
        for name, (server, run) in peers.items():
            # The slowest answers take seconds each.
            if turn < session.sizes.slow_repeats or figures[name][-1] < 500:
                _time(session, figures, name, server, run)
    for kind in ours:
        mine = Measured.of(figures[kind])
        work = f"chart of a series of {points:,} points, {kind}"
        for peer in session.peers:
            goal = GOALS.get(peer.name, 1.0)
            if peer.name in figures:
                note = f"{SAMPLES[peer.name]}, {KINDS.get(peer.name, 'its own files')}"
                row = compare(work, mine, peer.name, Measured.of(figures[peer.name]), UNIT, goal=goal, note=note)
            else:
                row = absent(work, mine, peer.name, UNIT, session.why(peer.name), goal=goal)
            session.rows.append(row)


def _time(session: Session, figures: dict[str, list[float]], name: str, server: Server, run: str) -> None:
    def check_answer() -> None:
        if server.read_chart(run) < LEAST_BYTES:
            raise Unavailable("answered an empty chart")

    session.attempt(name, check_answer)
    elapsed = session.attempt(name, lambda: timed_median(lambda: server.read_chart(run), session.sizes.window_seconds))
    if isinstance(elapsed, float):
        figures.setdefault(name, []).append(elapsed)


def _filled(session: Session, points: int) -> dict[str, tuple[Server, str]]:
    """A series in every peer, all filled at the same time: that is not measured."""
    filled: dict[str, tuple[Server, str]] = {}

    def fill(peer: Contender, server: Server) -> None:
        run = session.attempt(peer.name, lambda: server.fill_series(points))
        if isinstance(run, str):
            filled[peer.name] = (server, run)

    threads = []
    for peer in session.peers:
        kind = KINDS.get(peer.name, SQLITE)
        server = session.attempt(peer.name, lambda peer=peer, kind=kind: session.server(peer, kind))  # type: ignore[misc]
        if server is not FAILED and isinstance(server, Server):
            session.say(f"Filling {peer.name} with a series of {points:,} points")
            threads.append(threading.Thread(target=fill, args=(peer, server)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return filled


def _checked_series(server: PlatformServer, points: int) -> str:
    """A run of ours whose chart shows every spike and loses no extreme."""
    values = curve(points, seed=5)
    places = np.random.default_rng(3).permutation(np.arange(SPIKES)) * (points // SPIKES) + points // SPIKES // 2
    values[places] += np.where(np.arange(SPIKES) % 2, 5.0, -5.0) + np.arange(SPIKES) / SPIKES
    run = server.new_run()
    server.send_curve(run, values, times(points, seed=5))
    server.finish([run])
    check(server.chart(run), values)
    if points >= SPIKES * 1000 and not set(places.tolist()) <= {int(step) for step in server.chart(run)["steps"]}:
        raise WrongChart("A spike is missing from the chart.")
    return run


def check(chart: dict[str, Any], values: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """That a chart shows points that were logged, and between any two of its points none that stands out.

    Buckets can't be seen from outside; but a point that is not shown must lie between the extremes of its bucket, and
    those are among the few shown points around it."""
    steps = np.array(chart["steps"], dtype=np.int64)
    shown = np.array(chart["values"], dtype=np.float64)
    if chart["total"] != len(values):
        raise WrongChart(f"{chart['total']} points are counted, {len(values)} were sent.")
    if not np.array_equal(values[steps], shown):
        raise WrongChart("A point of the chart was never logged.")
    if len(steps) == len(values):
        return
    edges = np.arange(len(steps))
    lows, highs = np.minimum.reduceat(values, steps), np.maximum.reduceat(values, steps)
    near = [np.clip(edges + shift, 0, len(steps) - 1) for shift in range(-3, 5)]
    if (lows < np.min(shown[near], axis=0)).any() or (highs > np.max(shown[near], axis=0)).any():
        raise WrongChart("The chart hides an extreme.")


__all__ = ["CHART_PATH", "WrongChart", "check", "measure"]
