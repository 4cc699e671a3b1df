"""What MLflow and FastTrackML have in common: MLflow's HTTP interface and most of its tables."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.contenders import CHART_PATH, Http, HttpServer, RunsQuery, Way
from bench.database import Store
from bench.peers.rows import analyze, insert
from bench.points import FIRST_MS, curve, mlflow_body, times
from bench.processes import Processes
from bench.run_values import THRESHOLD, RunValues, metric, parameter, run_values

API = "/api/2.0/mlflow"
BULK = "log-batch"


class MlflowApiServer(HttpServer):
    """`file` is the SQLite database where there is one."""

    metric_columns: tuple[str, ...] = ("key", "value", "timestamp", "run_uuid", "step", "is_nan")
    latest_columns: tuple[str, ...] = ("key", "value", "timestamp", "step", "is_nan", "run_uuid")
    parameter_columns: tuple[str, ...] = ("key", "value", "run_uuid")

    def __init__(self, processes: Processes, store: Store, port: int, file: Path) -> None:
        ways = {BULK: Way(f"{API}/runs/log-batch", {}, mlflow_body, 1000)}
        super().__init__(processes, store, Http(port), ways)
        self.file = file

    def new_run(self) -> str:
        run = self.http.ask("POST", f"{API}/runs/create", {"experiment_id": "0", "run_name": "bench"})
        return str(run["run"]["info"]["run_id"])

    def stored(self, run: str) -> int:
        return self.store.query(f"SELECT count(*) FROM metrics WHERE run_uuid = '{run}'", self.file)  # noqa: S608

    def metric_row(self, key: str, value: float, ms: int, run: str, step: int) -> tuple[Any, ...]:
        return key, value, ms, run, step, self.no

    def latest_row(self, key: str, value: float, ms: int, run: str, step: int) -> tuple[Any, ...]:
        return key, value, ms, step, self.no, run

    def run_row(self, run: str, number: int) -> dict[str, Any]:
        raise NotImplementedError

    @property
    def no(self) -> Any:
        """False as the database has it."""
        return False if self.store.url else 0

    def fill_series(self, points: int) -> str:
        run = self.new_run()
        values, stamps = curve(points, seed=5).tolist(), times(points, seed=5).tolist()
        rows = (self.metric_row(CHART_PATH, values[i], stamps[i], run, i) for i in range(points))
        insert(self.store, self.file, "metrics", self.metric_columns, rows)
        last = [self.latest_row(CHART_PATH, values[-1], stamps[-1], run, points - 1)]
        insert(self.store, self.file, "latest_metrics", self.latest_columns, last)
        analyze(self.store, self.file)
        return run

    def fill_runs(self, count: int) -> None:
        names = [(uuid.uuid4().hex, values) for values in run_values(count)]
        rows = [self.run_row(run, values.number) for run, values in names]
        insert(self.store, self.file, "runs", list(rows[0]), (tuple(row.values()) for row in rows))
        latest, every = list(self._latest(names)), list(self._metrics(names))
        insert(self.store, self.file, "metrics", self.metric_columns, every)
        insert(self.store, self.file, "latest_metrics", self.latest_columns, latest)
        parameters = [(key, value, run) for run, values in names for key, value in values.parameters.items()]
        insert(self.store, self.file, "params", self.parameter_columns, parameters)
        analyze(self.store, self.file)

    def _latest(self, names: list[tuple[str, RunValues]]) -> Iterator[tuple[Any, ...]]:
        for run, values in names:
            for key, value in values.metrics.items():
                yield self.latest_row(key, value, FIRST_MS, run, 0)

    def _metrics(self, names: list[tuple[str, RunValues]]) -> Iterator[tuple[Any, ...]]:
        for run, values in names:
            for key, value in values.metrics.items():
                yield self.metric_row(key, value, FIRST_MS, run, 0)

    def runs_page(self, query: RunsQuery) -> int:
        """These answer every attribute of a run: columns can't be chosen."""
        body: dict[str, Any] = {
            "experiment_ids": ["0"],
            "order_by": [f"metrics.`{metric(query.sort)}` DESC"],
            "max_results": query.limit,
        }
        if query.conditions:
            body["filter"] = f"metrics.`{metric(5)}` > {THRESHOLD} AND params.`{parameter(0)}` = 'adam'"
        return self.get("POST", f"{API}/runs/search", body).count(b'"run_uuid"')
