"""Bytes of the database per stored point, everything flushed."""

from __future__ import annotations

from bench.database import POSTGRESQL, SQLITE
from bench.report import Measured, compare, within
from bench.session import PLATFORM, Session
from bench.work.loads import SMALL_PEERS, loads

UNIT = "bytes per point"
LIMIT, GOAL = 6.0, 10.0


def measure(session: Session) -> None:
    found = loads(session).bytes_per_point
    others = {peer: found[peer.contender, peer.kind] for peer in SMALL_PEERS if (peer.contender, peer.kind) in found}
    for kind in (POSTGRESQL, SQLITE):
        if (PLATFORM.name, kind) not in found:
            continue
        ours, work = Measured.of([found[PLATFORM.name, kind]]), f"bytes per stored point, {kind}"
        session.rows.append(
            within(work, ours, UNIT, limit=LIMIT, note="one measurement over all repeats but the first")
        )
        if others:
            best = min(others, key=lambda peer: others[peer])
            note = "best peer: " + ", ".join(f"{peer.title} {size:.0f}" for peer, size in others.items())
            theirs = Measured.of([others[best]])
            session.rows.append(compare(work, ours, best.title, theirs, UNIT, goal=GOAL, note=note))
