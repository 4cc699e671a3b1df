"""Points acknowledged durably per second, four connections, against the best of the peers."""

from __future__ import annotations

from bench.report import Row, absent, compare
from bench.session import Session
from bench.work import loads as sources
from bench.work.loads import Loads, Source, loads

UNIT = "points/s"
GOAL = 5.0
SMALL, LARGE = "1,000 points a request", "largest requests"
ROWS = (
    (f"Neptune wire, PostgreSQL, {SMALL}", sources.NEPTUNE, sources.SMALL_PEERS),
    (f"native binary, PostgreSQL, {SMALL}", sources.BINARY, sources.SMALL_PEERS),
    (f"Neptune wire, embedded, {SMALL}", sources.NEPTUNE_SQLITE, sources.SMALL_PEERS),
    (f"native binary, embedded, {SMALL}", sources.BINARY_SQLITE, sources.SMALL_PEERS),
    (f"Neptune wire, PostgreSQL, {LARGE}", sources.LARGE_NEPTUNE, sources.LARGE_PEERS),
    (f"native binary, PostgreSQL, {LARGE}", sources.LARGE_BINARY, sources.LARGE_PEERS),
)


def measure(session: Session) -> None:
    found = loads(session)
    for what, ours, peers in ROWS:
        if found.measured(ours):
            session.rows.append(_row(found, f"acknowledged durably, {what}", ours, peers))


def _row(found: Loads, work: str, ours: Source, peers: tuple[Source, ...]) -> Row:
    others = [peer for peer in peers if found.measured(peer)]
    if not others:
        return absent(work, found.rate(ours), "any peer", UNIT, "could not be measured", goal=GOAL)
    best = max(others, key=lambda peer: found.rate(peer).median)
    note = f"the best peer, {best.batch_points or 1000:,} points a request"
    return compare(
        work, found.rate(ours), best.title, found.rate(best), UNIT, goal=GOAL, higher_is_better=True, note=note
    )
