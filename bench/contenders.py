"""What the bench asks of everyone it measures: us and the peers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from pathlib import Path
from typing import Any, Protocol

from bench.database import Store
from bench.points import Batch, Body, make_batches
from bench.processes import ROOT, Processes

CHART_PATH = "metrics/curve"


class Unavailable(Exception):
    """Someone does not offer what was asked, or could not be installed or started; the message says which."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way into one server. `path` and `body` are given the run's id; a request has `batch_points` points unless a
    load says otherwise."""

    path: str
    headers: dict[str, str]
    body: Body
    batch_points: int


@dataclass(frozen=True, slots=True)
class Load:
    """`clients` connections send `points` points each, or stop after `seconds`."""

    points: int
    clients: int = 4
    seconds: float = 20.0
    seed: int = 1
    batch_points: int = 0
    """0 means the way's own."""


@dataclass(frozen=True, slots=True)
class Sent:
    """`seconds` until the last acknowledgement, `cpu` seconds of all of the server's processes until idle again."""

    points: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.points / self.seconds

    @property
    def cpu_per_million(self) -> float:
        return self.cpu / self.points * 1e6


@dataclass(frozen=True, slots=True)
class RunsQuery:
    """A page of runs sorted by metric number `sort`; with `conditions` those with two properties, and how many. See
    bench/run_values.py for what the runs hold."""

    sort: int = 3
    columns: int = 20
    limit: int = 100
    conditions: bool = False
    matching: int = 0
    """How many runs have them; who counts must say so."""


class Server:
    """A running server. What one does not offer raises Unavailable."""

    def __init__(self, processes: Processes, store: Store) -> None:
        self.processes, self.store = processes, store

    def ingest(self, way: str, load: Load) -> Sent:
        """Send points into new runs and count what it costs."""
        raise Unavailable("has no way in that could be measured")

    def disk_bytes(self) -> int:
        """Bytes of its data, everything written out."""
        return self.store.size(self.store.folder)

    def fill_series(self, points: int) -> str:
        """Make a run with one series, CHART_PATH, of `points` points; its id."""
        raise Unavailable("has no series")

    def read_chart(self, run: str) -> int:
        """Ask for the series as the user interface does; the bytes of the answer."""
        raise Unavailable("has no charts")

    def fill_runs(self, count: int) -> None:
        """Have `count` runs as bench/run_values.py describes them."""
        raise Unavailable("has no table of runs")

    def runs_page(self, query: RunsQuery) -> int:
        """Ask for a page of runs; the number of its rows."""
        raise Unavailable("has no table of runs")


class Contender(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def install(self) -> None:
        """Make its environment below .venvs/, once."""

    def start(self, store: Store, log: Path) -> AbstractContextManager[Server]: ...


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment of a peer's own, with pinned packages."""

    package: str
    version: str
    extras: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return ROOT / ".venvs" / f"bench-{self.package}-{self.version}"

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    def install(self) -> None:
        stamp = self.folder / "installed"
        if stamp.exists():
            return
        print(f"Installing {self.package} {self.version}…", file=sys.stderr, flush=True)
        wanted = [f"{self.package}=={self.version}", *self.extras]
        try:
            subprocess.run([sys.executable, "-m", "venv", self.folder], check=True, capture_output=True)
            pip = [self.program("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *wanted], check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            reason = str(getattr(error, "stderr", "") or error).strip().splitlines()
            raise Unavailable(f"could not be installed: {reason[-1] if reason else error}") from error
        stamp.touch()


@dataclass
class Http:
    """Requests to a server on loopback."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=300)

    def read(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        connection.request(method, path, body, {**self.headers, **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            text = content[:300].decode(errors="replace")
            raise Unavailable(f"answered {answer.status} to {method} {path[:80]}: {text}")
        return content

    def fetch(self, path: str) -> bytes:
        """On a connection of its own."""
        connection = self.connect()
        try:
            return self.read(connection, "GET", path)
        except (OSError, HTTPException) as error:
            raise Unavailable(f"did not answer GET {path[:80]}: {error}") from error
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """JSON there and back, on a connection of its own."""
        connection = self.connect()
        try:
            payload = None if body is None else json.dumps(body).encode()
            kind = {"Content-Type": "application/json", **(headers or {})}
            content = self.read(connection, method, path, payload, kind)
        except (OSError, HTTPException) as error:
            raise Unavailable(f"did not answer {method} {path[:80]}: {error}") from error
        finally:
            connection.close()
        return json.loads(content) if content else None


class HttpServer(Server):
    """A server whose ways in are HTTP requests with a body."""

    def __init__(self, processes: Processes, store: Store, http: Http, ways: dict[str, Way]) -> None:
        super().__init__(processes, store)
        self.http, self.ways = http, ways
        self.reading = http.connect()
        self._warm: set[str] = set()

    def new_run(self) -> str:
        raise NotImplementedError

    def stored(self, run: str) -> int:
        """The number of points the run has."""
        raise NotImplementedError

    def finish(self, runs: Sequence[str]) -> None:
        """Say that nothing more comes, and wait until everything is where it will stay."""

    def get(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> bytes:
        """A request on the connection that is kept for reading."""
        payload = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json", **(headers or {})}
        try:
            return self.http.read(self.reading, method, path, payload, kind)
        except (RemoteDisconnected, ConnectionError):  # it lay idle for too long
            self.reading.close()
            return self.http.read(self.reading, method, path, payload, kind)

    def ingest(self, way: str, load: Load) -> Sent:
        chosen = self.ways[way]
        size = load.batch_points or chosen.batch_points
        batches = make_batches(load.points, size, load.seed)
        runs = [self.new_run() for _ in range(load.clients)]
        bodies = {run: [(batch, chosen.body(batch, run)) for batch in batches] for run in runs}
        self._warm_up(chosen)
        self.processes.settle(20, 0.5)
        before = self.processes.cpu()
        started = time.monotonic()
        sent = self._send_all(chosen, bodies, started + load.seconds)
        seconds = time.monotonic() - started
        self.finish(runs)
        used = self.processes.settle() - before
        for run in runs:
            if (stored := self.stored(run)) != sent[run]:
                raise Unavailable(f"stored {stored} of {sent[run]} points")
        return Sent(sum(sent.values()), seconds, used)

    def _warm_up(self, way: Way) -> None:
        """The first time, let every process of the server load what a request needs: that is not measured."""
        if way.path in self._warm:
            return
        self._warm.add(way.path)
        batches = make_batches(2 * way.batch_points, way.batch_points, seed=0)
        runs = [self.new_run() for _ in range(8)]
        bodies = {run: [(batch, way.body(batch, run)) for batch in batches] for run in runs}
        self._send_all(way, bodies, time.monotonic() + 60)
        self.finish(runs)

    def _send_all(self, way: Way, bodies: dict[str, list[tuple[Batch, bytes]]], deadline: float) -> dict[str, int]:
        sent: dict[str, int] = {}
        failures: list[BaseException] = []

        def client(run: str) -> None:
            try:
                sent[run] = self._send(way, run, bodies[run], deadline)
            except (Unavailable, OSError, HTTPException) as error:
                failures.append(error)

        run_all(client, list(bodies))
        if failures:
            raise Unavailable(f"failed under load: {failures[0]}") from failures[0]
        return sent

    def _send(self, way: Way, run: str, bodies: list[tuple[Batch, bytes]], deadline: float) -> int:
        """Batches one after another until the deadline; the points that were acknowledged."""
        connection, sent = self.http.connect(), 0
        headers = {"Content-Type": "application/json", **way.headers}
        for batch, body in bodies:
            if time.monotonic() > deadline:
                break
            try:
                self.http.read(connection, "POST", way.path.format(run=run), body, headers)
            except RemoteDisconnected:  # a server may end a connection between two requests; all take a repetition
                connection.close()
                self.http.read(connection, "POST", way.path.format(run=run), body, headers)
            sent += batch.points
        connection.close()
        return sent


def run_all(client: Callable[[str], None], runs: Sequence[str]) -> None:
    threads = [threading.Thread(target=client, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
