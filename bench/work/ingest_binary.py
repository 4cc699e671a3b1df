"""Server CPU per point through the native binary body, everything flushed."""

from __future__ import annotations

from bench.report import absent, compare
from bench.session import Session
from bench.work import loads as sources
from bench.work.loads import loads

UNIT = "CPU s per million points"
GOAL = 5.0
ROWS = (
    ("PostgreSQL, all flushed, 1,000 points a request", sources.BINARY, sources.TRACKIO),
    ("PostgreSQL, all flushed, 100,000 points a request", sources.LARGE_BINARY, sources.LARGE_TRACKIO),
    ("embedded, 1,000 points a request", sources.BINARY_SQLITE, sources.TRACKIO),
)


def measure(session: Session) -> None:
    found = loads(session)
    for what, ours, peer in ROWS:
        if not found.measured(ours):
            continue
        work = f"ingest, native binary, {what}"
        if found.measured(peer):
            row = compare(work, found.cpu(ours), peer.title, found.cpu(peer), UNIT, goal=GOAL)
        else:
            row = absent(work, found.cpu(ours), peer.title, UNIT, session.why(peer.title), goal=GOAL)
        session.rows.append(row)
