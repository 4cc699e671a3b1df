"""Bytes of the database per stored point, everything flushed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from bench.contenders import Load
from bench.database import POSTGRESQL, SQLITE
from bench.platform import BINARY, PlatformServer
from bench.points import SERIES
from bench.report import Measured, compare, within
from bench.session import PLATFORM, Session
from bench.work.loads import SMALL_PEERS, loads

UNIT = "bytes per point"
LIMIT, GOAL = 6.0, 10.0
LONG = Load(1_000_000, clients=1, seconds=120, batch_points=100_000)
"""Ten series of 100,000 points, as a long training leaves them; fewer in a short run of the bench."""
LEAST_POINTS = 300_000


def measure(session: Session) -> None:
    found = loads(session).bytes_per_point
    others = {peer: found[peer.contender, peer.kind] for peer in SMALL_PEERS if (peer.contender, peer.kind) in found}
    best = min(others, key=lambda peer: others[peer]) if others else None
    everyone = ", ".join(f"{peer.title} {size:.0f}" for peer, size in others.items())
    for kind in (POSTGRESQL, SQLITE):
        load = replace(LONG, points=max(LEAST_POINTS, int(LONG.points * session.sizes.share)))
        ours = Measured.of(_long_series(session, kind, load))
        work = f"bytes per stored point, series of {load.points // SERIES:,} points, {kind}"
        session.rows.append(within(work, ours, UNIT, limit=LIMIT))
        if best:
            theirs = Measured.of([others[best]])
            session.rows.append(compare(work, ours, best.title, theirs, UNIT, goal=GOAL, note=f"of {everyone}"))
        if best and (PLATFORM.name, kind) in found:
            short = Measured.of([found[PLATFORM.name, kind]])
            work = f"bytes per stored point, short series and their runs, {kind}"
            session.rows.append(compare(work, short, best.title, Measured.of([others[best]]), UNIT))


def _long_series(session: Session, kind: str, load: Load) -> list[float]:
    """What each load adds after the first, which makes the room that the log needs and gives back."""
    server = session.server(PLATFORM, kind)
    assert isinstance(server, PlatformServer)
    sizes, sent = [], 0
    for turn in range(session.sizes.slow_repeats + 1):
        sent = server.ingest(BINARY, replace(load, seed=turn + 1)).points
        sizes.append(server.disk_bytes())
    return [(after - before) / sent for before, after in pairwise(sizes)]
