"""MLflow's tracking server, with its default number of workers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.contenders import CHART_PATH, Environment, Server, Unavailable
from bench.database import Store
from bench.peers.mlflow_api import MlflowApiServer
from bench.points import FIRST_MS
from bench.processes import NotStarted, Processes, free_port, running


class MlflowServer(MlflowApiServer):
    def run_row(self, run: str, number: int) -> dict[str, Any]:
        return {
            "run_uuid": run,
            "name": f"run-{number}",
            "source_type": "LOCAL",
            "source_name": "",
            "entry_point_name": "",
            "user_id": "bench",
            "status": "FINISHED",
            "start_time": FIRST_MS + number,
            "end_time": FIRST_MS + number + 1,
            "deleted_time": None,
            "source_version": "",
            "lifecycle_stage": "active",
            "artifact_uri": f"/tmp/{run}",  # noqa: S108 - only a text
            "experiment_id": 0,
        }

    def read_chart(self, run: str) -> int:
        """What the user interface asks for: 2,500 samples."""
        path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
        wanted = f"run_ids={run}&metric_key={quote(CHART_PATH, safe='')}&max_results=2500"
        return len(self.get("GET", f"{path}?{wanted}"))


class Mlflow:
    name, version = "MLflow", "3.17.2"

    def __init__(self) -> None:
        self._environment = Environment("mlflow", self.version, ("psycopg[binary]",))

    def install(self) -> None:
        self._environment.install()

    @contextlib.contextmanager
    def start(self, store: Store, log: Path) -> Iterator[Server]:
        port, file = free_port(), store.folder / "mlflow.db"
        command = [self._environment.program("mlflow"), "server", "--port", str(port)]
        command += ["--backend-store-uri", store.url or f"sqlite:///{file}"]
        command += ["--default-artifact-root", str(store.folder / "artifacts")]
        # Its workers are started by name from PATH.
        environment = {
            "PATH": f"{self._environment.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }
        ready = f"http://127.0.0.1:{port}/health"
        try:
            with running(command, ready=ready, log=log, environment=environment, cwd=store.folder) as session:
                yield MlflowServer(Processes(session, store.roots), store, port, file)
        except NotStarted as error:
            raise Unavailable(str(error)) from error
