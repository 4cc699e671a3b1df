"""Trackio's server. Its rows hold a step's metrics together, ten of them here, which suits it best."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.contenders import CHART_PATH, Environment, Http, HttpServer, Server, Unavailable, Way
from bench.database import SQLITE, Store
from bench.peers.rows import analyze, insert
from bench.points import curve, times, trackio_body
from bench.processes import NotStarted, Processes, free_port, running

BULK = "bulk_log"
TOKEN = "bench"  # noqa: S105 - of a server on loopback that lives for minutes
PROJECT = "bench"


class TrackioServer(HttpServer):
    def __init__(self, processes: Processes, store: Store, port: int) -> None:
        ways = {BULK: Way("/api/bulk_log", {"x-trackio-write-token": TOKEN}, trackio_body, 1000)}
        super().__init__(processes, store, Http(port), ways)

    @property
    def file(self) -> Path:
        return self.store.folder / f"{PROJECT}.db"

    def new_run(self) -> str:
        """A run is there with its first row."""
        return uuid.uuid4().hex

    def stored(self, run: str) -> int:
        rows = self.store.query(f"SELECT count(*) FROM metrics WHERE run_id = '{run}'", self.file)  # noqa: S608
        return rows * 10

    def fill_series(self, points: int) -> str:
        run = self.new_run()
        first = json.dumps({"project": PROJECT, "run": run, "run_id": run, "metrics": {CHART_PATH: 1.0}, "step": 0})
        headers = {"Content-Type": "application/json", "x-trackio-write-token": TOKEN}
        body = f'{{"logs": [{first}], "hf_token": null}}'.encode()
        self.http.read(self.http.connect(), "POST", "/api/bulk_log", body, headers)
        values, stamps = curve(points, seed=5).tolist(), times(points, seed=5).tolist()
        rows = (
            (
                run,
                datetime.fromtimestamp(stamps[step] / 1000, UTC).isoformat(),
                run,
                step,
                json.dumps({CHART_PATH: values[step]}).encode(),
            )
            for step in range(1, points)
        )
        insert(self.store, self.file, "metrics", ("run_id", "timestamp", "run_name", "step", "metrics"), rows)
        analyze(self.store, self.file)
        return run

    def read_chart(self, run: str) -> int:
        """What its user interface asks for: 3,000 samples of the run's rows."""
        runs = [{"run": run, "run_id": run}]
        wanted = {"project": PROJECT, "runs": runs, "max_points": 3000, "scalar_only": True}
        return len(self.get("POST", "/api/get_logs_batch", wanted))


class Trackio:
    name, version = "Trackio", "0.43.0"

    def __init__(self) -> None:
        self._environment = Environment("trackio", self.version)

    def install(self) -> None:
        self._environment.install()

    @contextlib.contextmanager
    def start(self, store: Store, log: Path) -> Iterator[Server]:
        if store.kind != SQLITE:
            raise Unavailable("has SQLite only")
        port = free_port()
        environment = {
            "TRACKIO_DIR": str(store.folder),
            "TRACKIO_WRITE_TOKEN": TOKEN,
            "GRADIO_SERVER_PORT": str(port),
            "HF_HUB_OFFLINE": "1",
            "BROWSER": "true",  # it opens one at the start
            "TRACKIO_SQLITE_SYNCHRONOUS": "FULL",  # acknowledged must mean on the disk, as for everyone else
        }
        command, ready = [self._environment.program("trackio"), "show"], f"http://127.0.0.1:{port}/version"
        try:
            with running(command, ready=ready, log=log, environment=environment, cwd=store.folder) as session:
                yield TrackioServer(Processes(session, store.roots), store, port)
        except NotStarted as error:
            raise Unavailable(str(error)) from error
