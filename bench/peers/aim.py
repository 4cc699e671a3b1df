"""Aim: its tracking server for what is logged over the network, `aim up` for what people see."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from bench.contenders import CHART_PATH, Environment, Http, Load, Sent, Server, Unavailable
from bench.database import SQLITE, Store
from bench.peers.writers import SCRIPTS, run_writers
from bench.points import SERIES
from bench.processes import NotStarted, Processes, free_port, running

QUIET = {"AIM_UI_TELEMETRY_ENABLED": "0", "AIM_DISABLE_TELEMETRY": "1", "__AIM_DISABLE_VERSION_CHECK__": "1"}
TRACK = "Run.track"


class AimServer(Server):
    def __init__(self, processes: Processes, store: Store, environment: Environment, ui: int, tracking: int) -> None:
        super().__init__(processes, store)
        self._http = Http(ui)
        self._python, self._tracking = environment.program("python"), tracking
        self._environment = {**os.environ, **QUIET}

    def ingest(self, way: str, load: Load) -> Sent:
        command = [self._python, str(SCRIPTS / "aim_log.py"), f"aim://127.0.0.1:{self._tracking}"]
        before: list[float] = []
        seconds, _ = run_writers(
            [[*command, str(load.points), str(SERIES)]] * load.clients,
            self._environment,
            lambda: before.append(self.processes.cpu()),
        )
        used = self.processes.settle() - before[0]
        return Sent(load.points * load.clients, seconds, used)

    def fill_series(self, points: int) -> str:
        command = [self._python, str(SCRIPTS / "aim_log.py"), "--fill", str(self.store.folder), str(points), CHART_PATH]
        _, answers = run_writers([command], self._environment)
        time.sleep(2)
        return str(answers[0]["run"])

    def read_chart(self, run: str) -> int:
        """What its user interface asks for: 500 samples."""
        query = f'run.hash == "{run}" and metric.name == "{CHART_PATH}"'
        wanted = urlencode({"q": query, "p": 500, "report_progress": "false"})
        return len(self._http.fetch(f"/api/runs/search/metric/?{wanted}"))


class Aim:
    name, version = "Aim", "3.29.1"

    def __init__(self) -> None:
        self._environment = Environment("aim", self.version)

    def install(self) -> None:
        self._environment.install()

    @contextlib.contextmanager
    def start(self, store: Store, log: Path) -> Iterator[Server]:
        if store.kind != SQLITE:
            raise Unavailable("has a database of its own only")
        ui, tracking, aim = free_port(), free_port(), self._environment.program("aim")
        repository = ["--repo", str(store.folder)]
        made = subprocess.run(
            [aim, "init", *repository, "--yes"],
            env={**os.environ, **QUIET},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise Unavailable(f"could not make a repository: {made.stderr[-300:]}")
        server = shlex.join([aim, "server", *repository, "--host", "127.0.0.1", "--port", str(tracking), "--yes"])
        page = shlex.join([aim, "up", *repository, "--host", "127.0.0.1", "--port", str(ui), "--yes"])
        command = ["/bin/sh", "-c", f"{server} & exec {page}"]
        environment = {**QUIET, "PATH": f"{self._environment.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"}
        ready = f"http://127.0.0.1:{ui}/api/projects/"
        try:
            with running(command, ready=ready, log=log, environment=environment, cwd=store.folder) as session:
                yield AimServer(Processes(session), store, self._environment, ui, tracking)
        except NotStarted as error:
            raise Unavailable(str(error)) from error
