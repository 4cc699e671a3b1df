"""What the design promises of reads at scale, on PostgreSQL: many long series on one chart, one ten times as long, what
came since, an export, a run with very many attributes, the trash."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlencode

from bench.contenders import CHART_PATH
from bench.database import POSTGRESQL
from bench.platform import PlatformServer
from bench.points import curve, times
from bench.report import Measured, within
from bench.session import PLATFORM, Session, timed_median

SERIES, LONGER, ATTRIBUTES = 20, 10, 20_000
PAGE, AT_ONCE = 1000, 5000
WRITER = "7d9a3c58-1f0e-4b52-9f6c-2f1f5f0d8e11"


def measure(session: Session) -> None:
    server = session.server(PLATFORM, POSTGRESQL, "limits")
    assert isinstance(server, PlatformServer)
    points = session.sizes.series_points
    session.say(f"Filling {PLATFORM.name} with {SERIES} series of {points:,} points, and one of {LONGER * points:,}")
    runs = [_series(server, points, seed) for seed in range(SERIES)]
    long_run = _series(server, LONGER * points, SERIES)
    wide_run = _wide_run(server)
    address = server.chart_address(long_run)
    cursor = json.loads(server.get("GET", address))["series"][0]["cursor"]
    several = urlencode([("path", CHART_PATH), ("max_points", 1000), *(("run", run) for run in runs)])
    attributes = f"/api/v1/runs/{wide_run}/attributes/?limit={PAGE}"
    export = f"/api/v1/runs/{long_run}/export/?format=parquet&path={quote(CHART_PATH)}"
    works: list[tuple[str, float, float, Callable[[], object]]] = [
        (
            f"chart of {SERIES} series of {points:,} points",
            60.0,
            1.0,
            lambda: server.get("GET", f"/api/v1/projects/{server.project}/series/?{several}"),
        ),
        (f"chart of a series of {LONGER * points:,} points", 20.0, 1.0, lambda: server.get("GET", address)),
        (
            f"what came since, in a series of {LONGER * points:,} points",
            5.0,
            1.0,
            lambda: server.get("GET", f"{address}&cursor={quote(cursor)}"),
        ),
        (f"{PAGE:,} of {ATTRIBUTES:,} attributes of a run", 120.0, 1.0, lambda: server.get("GET", attributes)),
        ("a run into the trash and out again", 40.0, 1.0, lambda: _to_the_trash_and_back(server, long_run)),
        (
            "export to Parquet, a million points",
            1000 / 3,
            LONGER * points / 1e6,
            lambda: server.get("GET", export),
        ),
    ]
    figures = {work: list(_repeated(session, action, share)) for work, _, share, action in works}
    for work, limit, _, _ in works:
        session.rows.append(within(f"{work}, {POSTGRESQL}", Measured.of(figures[work]), "ms", limit=limit))


def _repeated(session: Session, action: Callable[[], object], share: float) -> Iterator[float]:
    for _ in range(session.sizes.repeats):
        yield timed_median(action, session.sizes.window_seconds) / share


def _series(server: PlatformServer, points: int, seed: int) -> str:
    run = server.new_run()
    server.send_curve(run, curve(points, seed=seed), times(points, seed=seed))
    server.finish([run])
    return run


def _wide_run(server: PlatformServer) -> str:
    run = server.new_run()
    for start in range(0, ATTRIBUTES, AT_ONCE):
        names = [f"parameters/group{number // 100}/p{number}" for number in range(start, start + AT_ONCE)]
        operations = [{"op": "assign", "path": name, "value": float(place)} for place, name in enumerate(names)]
        batch = {
            "writer": "7d9a3c58-1f0e-4b52-9f6c-2f1f5f0d8e11",
            "seq": start // AT_ONCE + 1,
            "operations": operations,
        }
        server.http.ask("POST", f"/api/v1/runs/{run}/operations/", batch)
    return run


def _to_the_trash_and_back(server: PlatformServer, run: str) -> None:
    for way in ("trash", "restore"):
        server.get("POST", f"/api/v1/runs/{run}/{way}/")
