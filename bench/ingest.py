"""Points per second and server CPU seconds per million points of every way in, with MLflow's server in the same run.

    .venv/bin/python -m bench.ingest               # about four minutes
    .venv/bin/python -m bench.ingest --seconds 5   # a quick look

The load comes from threads of this process, each with a run and a connection of its own, with bodies made beforehand.
CPU is that of all processes of the server, until they are idle again after the load. See docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import platform as machine
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from bench.points import Batch, make_batches
from bench.processes import cpu_seconds, settle
from bench.servers import Server, Wire, mlflow, platform


@dataclass(frozen=True, slots=True)
class Case:
    batch_points: int
    clients: int
    points: int
    """At most this many points per client are sent."""


@dataclass(frozen=True, slots=True)
class Result:
    wire: str
    case: Case
    points: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.points / self.seconds

    @property
    def cpu_per_million(self) -> float:
        return self.cpu / self.points * 1e6


CASES = [Case(1000, 1, 300_000), Case(1000, 4, 100_000)]
LARGE = Case(100_000, 1, 1_000_000)
"""A client that logs lists, or catches up, sends 100,000 points in one request. MLflow takes at most 1000."""


def send(server: Server, wire: Wire, run: str, bodies: Sequence[tuple[Batch, bytes]], deadline: float) -> int:
    """Send batches one after another until the deadline; returns the points the server acknowledged."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=300)
    headers = {"Content-Type": "application/json", **wire.headers}
    sent = 0
    for batch, body in bodies:
        if time.monotonic() > deadline:
            break
        connection.request("POST", wire.path.format(run=run), body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{wire.name}: {answer.status} {text[:500].decode(errors='replace')}")
        sent += batch.points
    connection.close()
    return sent


def warm_up(server: Server, wire: Wire) -> None:
    """Let every worker process answer once before anything is measured: MLflow's need seconds to load."""
    bodies = [(batch, wire.body) for batch in make_batches(10_000, 1000, seed=0)]

    def client(run: str) -> None:
        send(server, wire, run, [(batch, body(batch, run)) for batch, body in bodies], time.monotonic() + 60)

    run_all(client, [wire.new_run() for _ in range(8)])


def run_all(client: Callable[[str], None], runs: Sequence[str]) -> None:
    threads = [threading.Thread(target=client, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(server: Server, wire: Wire, case: Case, limit_seconds: float) -> Result:
    runs = [wire.new_run() for _ in range(case.clients)]
    batches = make_batches(case.points, case.batch_points, seed=case.clients)
    bodies = {run: [(batch, wire.body(batch, run)) for batch in batches] for run in runs}
    sent: dict[str, int] = {}
    settle(server.session)
    cpu, start = cpu_seconds(server.session), time.monotonic()

    def client(run: str) -> None:
        sent[run] = send(server, wire, run, bodies[run], start + limit_seconds)

    run_all(client, runs)
    seconds = time.monotonic() - start
    settle(server.session)
    used = cpu_seconds(server.session) - cpu
    for run in runs:
        if (stored := wire.count(run)) != sent[run]:
            raise SystemExit(f"{wire.name}: {sent[run]} points were sent, {stored} are stored")
    return Result(wire.name, case, sum(sent.values()), seconds, used)


def measure_all(limit_seconds: float, environment: dict[str, str]) -> list[Result]:
    results = []
    for start in (mlflow, platform):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            data.mkdir()
            with start(data, environment) as server:
                cases = CASES if server.name == "mlflow" else [*CASES, LARGE]
                for wire in server.wires:
                    warm_up(server, wire)
                    for case in cases:
                        results.append(measure(server, wire, case, limit_seconds))
                        print(f"  {line(results[-1], results)}", flush=True)
    return results


def line(result: Result, results: Sequence[Result]) -> str:
    """A row of the table; ratios are against MLflow with as many clients."""
    base = next(r for r in results if r.wire.startswith("MLflow") and r.case.clients == result.case.clients)
    cells = [
        result.wire,
        f"{result.case.batch_points:,}",
        f"{result.case.clients}",
        f"{result.rate:,.0f}",
        f"{result.rate / base.rate:.1f}",
        f"{result.cpu_per_million:,.1f}",
        f"{base.cpu_per_million / result.cpu_per_million:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=15, help="longest time of one measurement")
    parser.add_argument("--database", default="", help="DATABASE_URL for the platform (default: SQLite)")
    arguments = parser.parse_args()
    environment = {"DATABASE_URL": arguments.database} if arguments.database else {}
    print(f"Python {machine.python_version()} on {machine.platform()}")
    results = measure_all(arguments.seconds, environment)
    print(
        "\n| way in | points per request | clients | points/s | × MLflow | CPU s per million points | MLflow's ÷ its |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    print("\n".join(line(result, results) for result in results))


if __name__ == "__main__":
    main()
