"""Memory of everything that must run, right after the start and without data."""

from __future__ import annotations

import time

from bench.contenders import Contender
from bench.report import Measured, compare, within
from bench.session import PLATFORM, Session

WORK, UNIT = "memory, embedded, idle", "MiB (PSS)"
LIMIT, AIM = 300.0, 180.0
IDLE_SECONDS = 5.0


def measure(session: Session) -> None:
    figures: dict[str, list[float]] = {}
    for turn in range(session.sizes.slow_repeats):
        for contender in (PLATFORM, *session.peers):
            if turn and contender.name not in figures:
                continue
            found = session.attempt(contender.name, lambda contender=contender: _idle(session, contender))  # type: ignore[misc]
            if isinstance(found, float):
                session.say(f"{contender.name}: {found:.0f} MiB")
                figures.setdefault(contender.name, []).append(found)
    ours = Measured.of(figures[PLATFORM.name])
    session.rows.append(within(WORK, ours, UNIT, limit=LIMIT, note=f"aim: {AIM:.0f}"))
    for name, values in figures.items():
        if name != PLATFORM.name:
            session.rows.append(compare(WORK, ours, name, Measured.of(values), UNIT))


def _idle(session: Session, contender: Contender) -> float:
    with session.fresh(contender) as server:
        time.sleep(IDLE_SECONDS)
        return server.processes.pss()
