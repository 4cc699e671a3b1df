"""Server CPU per point through the Neptune wire, everything flushed."""

from __future__ import annotations

from bench.report import absent, compare
from bench.session import Session
from bench.work import loads as sources
from bench.work.loads import Loads, Source, loads

UNIT = "CPU s per million points"
GOALS = {"Trackio": 3.0, "FastTrackML": 12.0, "MLflow": 45.0}
NOTES = {"TensorBoard": "its writer's CPU, files only", "Aim": "its tracking server, point by point"}


def measure(session: Session) -> None:
    found = loads(session)
    work = "ingest, Neptune wire, PostgreSQL, all flushed"
    _compare(session, found, f"{work}, 1,000 points a request", sources.NEPTUNE, sources.SMALL_PEERS)
    _compare(session, found, f"{work}, largest requests", sources.LARGE_NEPTUNE, sources.LARGE_PEERS)
    embedded = "ingest, Neptune wire, embedded, 1,000 points a request"
    _compare(session, found, embedded, sources.NEPTUNE_SQLITE, (sources.TRACKIO,))


def _compare(session: Session, found: Loads, work: str, ours: Source, peers: tuple[Source, ...]) -> None:
    if session.sizes.is_short:  # what was left out is no failure
        peers = tuple(peer for peer in peers if peer not in sources.WITHOUT_A_GOAL)
    if not found.measured(ours):
        return
    for peer in peers:
        goal = GOALS.get(peer.title)
        if found.measured(peer):
            note = NOTES.get(peer.title, f"{peer.kind}, {peer.batch_points or 1000:,} points a request")
            row = compare(work, found.cpu(ours), peer.title, found.cpu(peer), UNIT, goal=goal, note=note)
        else:
            row = absent(work, found.cpu(ours), peer.title, UNIT, session.why(peer.title), goal=goal)
        session.rows.append(row)
