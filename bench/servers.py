"""How each server is started for a measurement, and how it is asked: sign in, make a run, where to send a batch, how
many points it has."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench.points import Batch, binary_body, mlflow_body, native_body, neptune_body
from bench.processes import ROOT, free_port, running


@dataclass(frozen=True, slots=True)
class Wire:
    """One way into one server. `body` and `path` are given the run's id."""

    name: str
    path: str
    headers: dict[str, str]
    body: Callable[[Batch, str], bytes]
    new_run: Callable[[], str]
    count: Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    port: int
    session: int
    wires: list[Wire]


def ask(port: int, method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    payload = None if body is None else json.dumps(body)
    connection.request(method, path, payload, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status} {text[:500].decode(errors='replace')}")
    return json.loads(text)


@contextlib.contextmanager
def platform(folder: Path, environment: dict[str, str]) -> Iterator[Server]:
    """The whole supervised group (web server, worker, beat) as `make run` starts it."""
    port = free_port()
    settings = {"DATA_DIR": str(folder), "HOST": "127.0.0.1", "PORT": str(port), **environment}
    command = [str(ROOT / ".venv/bin/python"), "manage.py", "serve"]
    log = folder.parent / "platform.log"
    with running(command, ready=f"http://127.0.0.1:{port}/readyz", log=log, environment=settings) as session:
        yield Server("platform", port, session, platform_wires(port, read_environment(folder / "first-run.env")))


def read_environment(file: Path) -> dict[str, str]:
    lines = [line.removeprefix("export ") for line in file.read_text().splitlines() if "=" in line]
    return {name: value.strip("'\"") for name, _, value in (line.partition("=") for line in lines)}


def platform_wires(port: int, environment: dict[str, str]) -> list[Wire]:
    project, token = environment["NEPTUNE_PROJECT"], environment["NEPTUNE_API_TOKEN"]
    bearer = {"Authorization": f"Bearer {token}"}
    exchange = ask(port, "GET", "/api/backend/v1/authorization/oauth-token", {"X-Neptune-Api-Token": token})
    neptune = {"Authorization": f"Bearer {exchange['accessToken']}"}

    def new_run() -> str:
        return str(ask(port, "POST", f"/api/v1/projects/{project}/runs/", bearer, {"name": "bench"})["uuid"])

    def count(run: str) -> int:
        page = ask(port, "GET", f"/api/v1/runs/{run}/attributes/?prefix=metrics/&limit=100", bearer)
        return sum(row["count"] for row in page["results"])

    writer, operations = str(uuid.uuid4()), "/api/leaderboard/v1/attributes/operations?experimentId={run}"
    binary = {**bearer, "Content-Type": "application/vnd.tracking-platform.points"}
    return [
        Wire("Neptune wire", operations, neptune, neptune_body, new_run, count),
        Wire("native JSON", "/api/v1/runs/{run}/operations/", bearer, native_body(writer), new_run, count),
        Wire("native binary", "/api/v1/runs/{run}/points/", binary, binary_body(writer), new_run, count),
    ]


@contextlib.contextmanager
def mlflow(folder: Path, environment: dict[str, str]) -> Iterator[Server]:
    """MLflow's own server as it starts by default (SQLite, its default number of workers)."""
    port = free_port()
    database = folder / "mlflow.db"
    store = environment.get("MLFLOW_STORE", f"sqlite:///{database}")
    command = [str(ROOT / ".venvs/mlflow/bin/mlflow"), "server", "--backend-store-uri", store, "--port", str(port)]
    command += ["--default-artifact-root", str(folder / "artifacts")]
    settings = {"PATH": f"{ROOT / '.venvs/mlflow/bin'}:/usr/bin:/bin", "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = folder.parent / "mlflow.log"
    with running(command, ready=f"http://127.0.0.1:{port}/health", log=log, environment=settings) as session:

        def new_run() -> str:
            run = ask(port, "POST", "/api/2.0/mlflow/runs/create", {}, {"experiment_id": "0", "run_name": "bench"})
            return str(run["run"]["info"]["run_id"])

        def count(run: str) -> int:
            with contextlib.closing(sqlite3.connect(database)) as connection:
                query = "select count(*) from metrics where run_uuid = ?"
                return int(connection.execute(query, (run,)).fetchone()[0])

        wire = Wire("MLflow log-batch", "/api/2.0/mlflow/runs/log-batch", {}, mlflow_body, new_run, count)
        yield Server("mlflow", port, session, [wire])
