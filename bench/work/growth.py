"""What a point and a page cost as the data grow a thousandfold."""

from __future__ import annotations

import uuid

from bench import platform
from bench.contenders import Load
from bench.database import POSTGRESQL
from bench.platform import PlatformServer
from bench.points import curve, times
from bench.report import Measured, within
from bench.session import PLATFORM, Session, timed_median
from bench.work.tables import CONDITIONS, PAGE, tables

LIMIT = 1.5
PROBE_POINTS = 200_000
PART_POINTS = 4_000_000
POINT, CHART = "CPU µs per point, Neptune wire", "ms per chart of the series"
PAGES = {PAGE: "ms per page of runs sorted by a metric", CONDITIONS: "ms per page with two conditions and a count"}
UNIT = "largest ÷ smallest"


def measure(session: Session) -> None:
    _points(session)
    _add(session, "cost of a point as stored points grow", POINT)
    found = tables(session)
    for question, title in PAGES.items():
        session.growth[title] = [
            {"size": float(runs), "value": measured.median}
            for runs in session.sizes.runs
            if (measured := found.measured(PLATFORM.name, POSTGRESQL, runs, question))
        ]
    _add(session, "cost of a page as runs grow", PAGES[PAGE])


def _add(session: Session, work: str, title: str) -> None:
    line = session.growth[title]
    grown = Measured.of([line[-1]["value"] / line[0]["value"]])
    note = f"{line[0]['size']:,.0f} to {line[-1]['size']:,.0f}"
    session.rows.append(within(work, grown, UNIT, limit=LIMIT, note=note))


def _points(session: Session) -> None:
    """One series grows; after each step a load of the same size into new runs is measured, and the series' chart."""
    server = session.server(PLATFORM, POSTGRESQL, "points")
    assert isinstance(server, PlatformServer)
    run, stored = server.new_run(), 0
    costs, charts = [], []
    each = max(2000, int(PROBE_POINTS * session.sizes.share)) // 4
    server.ingest(platform.NEPTUNE, Load(each, seed=99))  # the first requests load what all later ones use
    for size in session.sizes.growth_points:
        session.say(f"Growing a series to {size:,} points")
        while stored < size:
            part = min(PART_POINTS, size - stored)
            values, stamps = curve(part, stored, first_step=stored), times(part, stored, first_step=stored)
            server.send_curve(run, values, stamps, first=stored, writer=str(uuid.uuid4()))
            stored += part
            server.wait_for_flush()
        cost = Measured.of(
            server.ingest(platform.NEPTUNE, Load(each, seed=turn)).cpu_per_million
            for turn in range(session.sizes.slow_repeats)
        )
        costs.append({"size": float(size), "value": cost.median})
        chart = timed_median(lambda: server.read_chart(run), session.sizes.window_seconds)
        charts.append({"size": float(size), "value": chart})
    session.growth[POINT], session.growth[CHART] = costs, charts
