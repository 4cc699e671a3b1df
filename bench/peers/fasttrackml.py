"""FastTrackML: MLflow's interface for writing, Aim's for reading charts, in one Go program."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.contenders import CHART_PATH, Environment, Server, Unavailable
from bench.database import Store
from bench.peers.mlflow_api import MlflowApiServer
from bench.points import FIRST_MS
from bench.processes import NotStarted, Processes, free_port, running

DEFAULT_CONTEXT = 1


class FastTrackMLServer(MlflowApiServer):
    metric_columns = (*MlflowApiServer.metric_columns, "iter", "context_id")
    latest_columns = (*MlflowApiServer.latest_columns, "last_iter", "context_id")
    parameter_columns = ("key", "value_str", "run_uuid")

    def metric_row(self, key: str, value: float, ms: int, run: str, step: int) -> tuple[Any, ...]:
        return *super().metric_row(key, value, ms, run, step), step + 1, DEFAULT_CONTEXT

    def latest_row(self, key: str, value: float, ms: int, run: str, step: int) -> tuple[Any, ...]:
        return *super().latest_row(key, value, ms, run, step), step + 1, DEFAULT_CONTEXT

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
            "source_version": "",
            "lifecycle_stage": "active",
            "artifact_uri": f"/tmp/{run}",  # noqa: S108 - only a text
            "experiment_id": 0,
            "row_num": number + 1,
        }

    def read_chart(self, run: str) -> int:
        """What its user interface asks for: 500 samples."""
        wanted = {
            "metrics": [{"key": CHART_PATH, "context": {}}],
            "query": f'run.hash == "{run}"',
            "steps": 500,
            "report_progress": False,
        }
        return len(self.get("POST", "/aim/api/runs/search/metric", wanted))


class FastTrackML:
    name, version = "FastTrackML", "0.6.0"

    def __init__(self) -> None:
        self._environment = Environment("fasttrackml", self.version)

    def install(self) -> None:
        self._environment.install()

    @contextlib.contextmanager
    def start(self, store: Store, log: Path) -> Iterator[Server]:
        port, file = free_port(), store.folder / "fasttrackml.db"
        command = [self._environment.program("fml"), "server", "--listen-address", f"127.0.0.1:{port}"]
        command += ["--database-uri", f"{store.url}?sslmode=disable" if store.url else f"sqlite://{file}"]
        command += ["--default-artifact-root", str(store.folder / "artifacts")]
        ready = f"http://127.0.0.1:{port}/health"
        try:
            with running(command, ready=ready, log=log, environment={}, cwd=store.folder) as session:
                yield FastTrackMLServer(Processes(session, store.roots), store, port, file)
        except NotStarted as error:
            raise Unavailable(str(error)) from error
