"""100,000 runs with two conditions, a sort and a count, against the peers' time for 10,000."""

from __future__ import annotations

from bench.report import absent, compare, within
from bench.session import PLATFORM, Session
from bench.work.tables import COMPARED_AT, CONDITIONS, KINDS, PEERS, tables

UNIT = "ms"
LIMIT = 50.0


def measure(session: Session) -> None:
    found = tables(session)
    runs, fewer = session.sizes.runs[-1], min(COMPARED_AT, session.sizes.runs[-1])
    for kind in KINDS:
        ours = found.measured(PLATFORM.name, kind, runs, CONDITIONS)
        assert ours is not None
        work = f"{runs:,} runs, two conditions, sort, count, {kind}"
        for peer in PEERS:
            theirs = found.measured(peer, kind, fewer, CONDITIONS)
            note = f"its time is for {fewer:,} runs, without a count"
            if theirs:
                session.rows.append(compare(work, ours, peer, theirs, UNIT, goal=1.0, note=note))
            else:
                session.rows.append(absent(work, ours, peer, UNIT, session.why(peer), goal=1.0))
        session.rows.append(within(work, ours, UNIT, limit=LIMIT))
