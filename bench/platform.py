"""Our platform as people start it: `manage.py serve` with default settings, embedded or on PostgreSQL and Redis."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
from numpy.typing import NDArray

from bench import fill_runs, points
from bench.contenders import CHART_PATH, Http, HttpServer, RunsQuery, Unavailable, Way
from bench.database import Store, Watching
from bench.processes import NotStarted, Processes, free_port, running
from bench.run_values import THRESHOLD, metric, parameter

NEPTUNE, NATIVE, BINARY = "Neptune wire", "native JSON", "native binary"
POINTS_TYPE = "application/vnd.tracking-platform.points"
FLUSH_SECONDS = 120


def settings(store: Store, port: int) -> dict[str, str]:
    found = {"DATA_DIR": str(store.folder), "HOST": "127.0.0.1", "PORT": str(port)}
    if store.url:
        found |= {"DATABASE_URL": store.url, "REDIS_URL": store.broker}
    return found


def read_environment(file: Path) -> dict[str, str]:
    lines = [line.removeprefix("export ") for line in file.read_text().splitlines() if "=" in line]
    return {name: value.strip("'\"") for name, _, value in (line.partition("=") for line in lines)}


class Platform:
    """The contender that is us."""

    name = "platform"
    version = ""

    def install(self) -> None:
        """Nothing: `make bench` sets up first."""

    @contextlib.contextmanager
    def start(self, store: Store, log: Path) -> Iterator[PlatformServer]:
        port = free_port()
        command = [sys.executable, "manage.py", "serve"]
        try:
            with running(
                command, ready=f"http://127.0.0.1:{port}/readyz", log=log, environment=settings(store, port)
            ) as session:
                values = read_environment(store.folder / "first-run.env")
                yield PlatformServer(Processes(session, store.roots), store, port, values)
        except NotStarted as error:
            raise Unavailable(str(error)) from error


class PlatformServer(HttpServer):
    def __init__(self, processes: Processes, store: Store, port: int, values: dict[str, str]) -> None:
        self.project, token = values["NEPTUNE_PROJECT"], values["NEPTUNE_API_TOKEN"]
        bearer = {"Authorization": f"Bearer {token}"}
        http = Http(port, bearer)
        key = {"X-Neptune-Api-Token": token}
        exchange = http.ask("GET", "/api/backend/v1/authorization/oauth-token", headers=key)
        neptune = {"Authorization": f"Bearer {exchange['accessToken']}"}
        writer = str(uuid.uuid4())
        operations = "/api/leaderboard/v1/attributes/operations?experimentId={run}"
        self.points_address = "/api/v1/runs/{run}/points/"
        ways = {
            NEPTUNE: Way(operations, neptune, points.neptune_body, 1000),
            NATIVE: Way("/api/v1/runs/{run}/operations/", bearer, points.native_body(writer), 1000),
            BINARY: Way(self.points_address, {**bearer, "Content-Type": POINTS_TYPE}, points.binary_body(writer), 1000),
        }
        super().__init__(processes, store, http, ways)

    @property
    def database_file(self) -> Path:
        return self.store.folder / "database.sqlite3"

    def new_run(self) -> str:
        run = self.http.ask("POST", f"/api/v1/projects/{self.project}/runs/", {"name": "bench"})
        return str(run["uuid"])

    def stored(self, run: str) -> int:
        page = self.http.ask("GET", f"/api/v1/runs/{run}/attributes/?prefix=metrics/&limit=100")
        return sum(row["count"] for row in page["results"])

    def finish(self, runs: Sequence[str]) -> None:
        for run in runs:
            self.http.ask("POST", f"/api/v1/runs/{run}/finish/", {})
        self.wait_for_flush()

    def wait_for_flush(self) -> None:
        """Until no point waits in the log any more."""
        deadline = time.monotonic() + FLUSH_SECONDS
        waiting = "SELECT count(*) FROM runs_batchlog WHERE point_count > 0"
        while self._watching.number(waiting) if self._watching else self.store.query(waiting, self.database_file):
            if time.monotonic() > deadline:
                raise Unavailable(f"points still wait in the log after {FLUSH_SECONDS} s")
            time.sleep(0.5)

    @cached_property
    def _watching(self) -> Watching | None:
        """PostgreSQL's part in each new connection would be counted as the server's work."""
        return Watching(self.store.url) if self.store.url else None

    def disk_bytes(self) -> int:
        return self.store.size(self.store.folder) if not self.store.url else super().disk_bytes()

    def fill_series(self, count: int) -> str:
        run = self.new_run()
        self.send_curve(run, points.curve(count, seed=5), points.times(count, seed=5))
        self.finish([run])
        return run

    def send_curve(
        self, run: str, values: NDArray[np.float64], stamps: NDArray[np.int64], *, first: int = 0, writer: str = ""
    ) -> None:
        """Send one series through the binary body, 100,000 points at a time, the first at step `first`."""
        writer, connection, size = writer or str(uuid.uuid4()), self.http.connect(), 100_000
        for number, start in enumerate(range(0, len(values), size)):
            part = values[start : start + size]
            steps = points.steps_from(first + start, len(part))
            body = points.binary_columns(writer, number + 1, [(CHART_PATH, part)], stamps[start : start + size], steps)
            kind = {"Content-Type": POINTS_TYPE}
            self.http.read(connection, "POST", self.points_address.format(run=run), body, kind)
        connection.close()

    def read_chart(self, run: str) -> int:
        return len(self.get("GET", self.chart_address(run)))

    def chart_address(self, run: str) -> str:
        return f"/api/v1/runs/{run}/series/?path={quote(CHART_PATH)}&max_points=1000"

    def chart(self, run: str) -> dict[str, Any]:
        """The answer, as columns."""
        answer = self.http.ask("GET", self.chart_address(run))
        found: dict[str, Any] = answer["series"][0]
        return found

    def fill_runs(self, count: int) -> None:
        fill_runs.fill(environment_of(self.store, self.http.port), self.project, count)

    def runs_page(self, query: RunsQuery) -> int:
        wanted = {
            "sort": metric(query.sort),
            "order": "desc",
            "limit": str(query.limit),
            "columns": ",".join(metric(place) for place in range(query.columns)),
            "count": "true" if query.conditions else "false",
        }
        if query.conditions:
            wanted["query"] = f'{metric(5)} > {THRESHOLD} AND {parameter(0)} = "adam"'
        content = self.get("GET", f"/api/v1/projects/{self.project}/runs/?{urlencode(wanted)}")
        if query.conditions and f'"total":{query.matching}'.encode() not in content:
            raise AssertionError(f"There are {query.matching} such runs; the answer is {content[-200:]!r}.")
        return content.count(b'"uuid"')


def environment_of(store: Store, port: int) -> dict[str, str]:
    """For Django of our own on the same data."""
    return {**os.environ, **settings(store, port), "DJANGO_SETTINGS_MODULE": "tracking_platform.settings"}
