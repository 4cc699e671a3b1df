"""The tables of runs that several rows read: everyone with as many runs, pages asked for turn by turn."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field

from bench.contenders import Contender, RunsQuery, Server
from bench.database import POSTGRESQL, SQLITE
from bench.report import Measured
from bench.run_values import METRICS, matching
from bench.session import FAILED, PLATFORM, Session, timed_median

KINDS = (POSTGRESQL, SQLITE)
COMPARED_AT = 10_000
PEERS = ("FastTrackML", "MLflow")
PAGE, CONDITIONS = "page", "conditions"
# What changed in the last minute is looked at for each answer from memory: all runs, just after they were made.
MANY, SETTLE_SECONDS = 2_000, 91.0


@dataclass
class Tables:
    """Milliseconds by (contender, kind of database, number of runs, question)."""

    times: dict[tuple[str, str, int, str], list[float]] = field(default_factory=dict)

    def measured(self, name: str, kind: str, runs: int, question: str) -> Measured | None:
        values = self.times.get((name, kind, runs, question))
        return Measured.of(values) if values else None


_DONE: dict[int, Tables] = {}


def tables(session: Session) -> Tables:
    if id(session) not in _DONE:
        _DONE[id(session)] = _measure(session)
    return _DONE[id(session)]


def _measure(session: Session) -> Tables:
    found = Tables()
    compared = min(COMPARED_AT, session.sizes.runs[-1])
    for kind in KINDS:
        ours = session.server(PLATFORM, kind, "runs")
        for runs in session.sizes.runs:
            session.say(f"Filling {PLATFORM.name} on {kind} with {runs:,} runs")
            ours.fill_runs(runs)
            if runs >= MANY:
                time.sleep(SETTLE_SECONDS)
            asked: list[tuple[str, Server]] = [(PLATFORM.name, ours)]
            if runs == compared:
                asked += _peers(session, kind, runs)
            for _ in range(session.sizes.repeats):
                for name, server in asked:
                    for question in (PAGE, CONDITIONS):
                        _ask(session, found, (name, kind, runs, question), server)
    return found


def _peers(session: Session, kind: str, runs: int) -> list[tuple[str, Server]]:
    filled = []
    for peer in session.peers:
        if peer.name in PEERS:
            session.say(f"Filling {peer.name} on {kind} with {runs:,} runs")
            server = session.attempt(peer.name, lambda peer=peer: _fill(session, peer, kind, runs))  # type: ignore[misc]
            if server is not FAILED and isinstance(server, Server):
                filled.append((peer.name, server))
    return filled


def _fill(session: Session, peer: Contender, kind: str, runs: int) -> Server:
    server = session.server(peer, kind, "runs")
    server.fill_runs(runs)
    return server


def _ask(session: Session, found: Tables, key: tuple[str, str, int, str], server: Server) -> None:
    name, kind, runs, question = key
    count = matching(runs)
    asked = found.times.setdefault(key, [])
    if len(asked) >= session.sizes.slow_repeats and asked[-1] > 1000:
        return  # an answer that takes seconds is asked for less often
    # Another metric each time, so that no answer is one that was kept.
    metrics = itertools.cycle(range(METRICS))

    def ask() -> None:
        rows = server.runs_page(RunsQuery(sort=next(metrics), conditions=question == CONDITIONS, matching=count))
        if not rows and question == PAGE:
            raise AssertionError(f"{name} on {kind} answered no rows")

    def measure() -> float:
        return timed_median(ask, session.sizes.window_seconds, most=METRICS)

    if name == PLATFORM.name:  # without a figure of ours there is no row
        asked.append(measure())
        return
    elapsed = session.attempt(name, measure)
    if isinstance(elapsed, float):
        asked.append(elapsed)
