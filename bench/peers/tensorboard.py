"""TensorBoard: its event file writer is what stores, its web server is what shows."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from bench.contenders import CHART_PATH, Environment, Http, Load, Sent, Server, Unavailable
from bench.database import SQLITE, Store
from bench.peers.writers import SCRIPTS, run_writers
from bench.points import SERIES
from bench.processes import NotStarted, Processes, free_port, running

WRITER = "EventFileWriter"
LOAD_SECONDS = 300


class TensorBoardServer(Server):
    def __init__(self, processes: Processes, store: Store, environment: Environment, port: int) -> None:
        super().__init__(processes, store)
        self._http = Http(port)
        self._script = [environment.program("python"), str(SCRIPTS / "tensorboard_log.py")]
        self._runs = 0

    def _new_folder(self) -> Path:
        self._runs += 1
        return self.store.folder / f"run-{self._runs}"

    def ingest(self, way: str, load: Load) -> Sent:
        """CPU is the writers' own: nothing else takes part in storing."""
        commands = [
            [*self._script, str(self._new_folder()), str(load.points), str(SERIES)] for _ in range(load.clients)
        ]
        seconds, answers = run_writers(commands, dict(os.environ))
        return Sent(load.points * load.clients, seconds, sum(float(answer["cpu"]) for answer in answers))

    def fill_series(self, points: int) -> str:
        folder = self._new_folder()
        run_writers([[*self._script, str(folder), str(points), "1", CHART_PATH]], dict(os.environ))
        self._wait_until_loaded(folder.name, points)
        return folder.name

    def _wait_until_loaded(self, run: str, points: int) -> None:
        """It reads new files every few seconds; what it shows ends with the last step once it has read all."""
        deadline = time.monotonic() + LOAD_SECONDS
        while time.monotonic() < deadline:
            time.sleep(2)
            with contextlib.suppress(Unavailable, ValueError):
                if json.loads(self._scalars(run))[-1][1] == points - 1:
                    return
        raise Unavailable(f"had not read its file after {LOAD_SECONDS} s")

    def _scalars(self, run: str) -> bytes:
        wanted = urlencode({"run": run, "tag": CHART_PATH})
        return self._http.fetch(f"/data/plugin/scalars/scalars?{wanted}")

    def read_chart(self, run: str) -> int:
        """What its user interface asks for: 1,000 points drawn by lot."""
        return len(self._scalars(run))


class TensorBoard:
    name, version = "TensorBoard", "2.21.0"

    def __init__(self) -> None:
        # Its plugins still look for pkg_resources.
        self._environment = Environment("tensorboard", self.version, ("setuptools<81",))

    def install(self) -> None:
        self._environment.install()

    @contextlib.contextmanager
    def start(self, store: Store, log: Path) -> Iterator[Server]:
        if store.kind != SQLITE:
            raise Unavailable("has files only")
        port = free_port()
        command = [self._environment.program("tensorboard"), "--logdir", str(store.folder), "--port", str(port)]
        command += ["--host", "127.0.0.1"]
        ready = f"http://127.0.0.1:{port}/data/logdir"
        try:
            with running(command, ready=ready, log=log, environment={}, cwd=store.folder) as session:
                yield TensorBoardServer(Processes(session), store, self._environment, port)
        except NotStarted as error:
            raise Unavailable(str(error)) from error
