"""10,000 runs sorted by a metric: the first page, 20 columns, on either database."""

from __future__ import annotations

from bench.database import POSTGRESQL, SQLITE
from bench.report import absent, compare, within
from bench.session import PLATFORM, Session
from bench.work.tables import COMPARED_AT, KINDS, PAGE, PEERS, tables

UNIT = "ms"
GOALS = {"FastTrackML": 3.0, "MLflow": 15.0}
LIMITS = {POSTGRESQL: 17.0, SQLITE: 27.0}


def measure(session: Session) -> None:
    found = tables(session)
    runs = min(COMPARED_AT, session.sizes.runs[-1])
    for kind in KINDS:
        ours = found.measured(PLATFORM.name, kind, runs, PAGE)
        assert ours is not None
        work = f"{runs:,} runs sorted by a metric, page of 100, {kind}"
        for peer in PEERS:
            theirs = found.measured(peer, kind, runs, PAGE)
            if theirs:
                session.rows.append(compare(work, ours, peer, theirs, UNIT, goal=GOALS[peer], note="filled by SQL"))
            else:
                session.rows.append(absent(work, ours, peer, UNIT, session.why(peer), goal=GOALS[peer]))
        session.rows.append(within(work, ours, UNIT, limit=LIMITS[kind]))
