"""Ways to serve HTTP and a WebSocket from one origin, compared: `python -m bench.serving [--only NAME] [--json FILE]`.

Every candidate serves bench/serving_site.py with one worker process and eight threads on PostgreSQL, one after the
other. CPU is that of the server's processes alone, so a loaded machine changes the requests per second but hardly that.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench.processes import cpu_seconds, free_port, running
from tests.servers.backends import new_database
from tests.servers.postgres import postgres

MIB = 1024 * 1024
UPLOAD = 150 * MIB
CLIENTS = 8
BATCH = json.dumps(
    [{"path": f"metrics/loss_{number % 10}", "value": 0.123456, "step": number} for number in range(1300)]
).encode()


@dataclass(frozen=True)
class Candidate:
    name: str
    command: list[str]
    has_sockets: bool = True


def granian(interface: str, application: str, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "granian", f"bench.serving_site:{application}", "--interface", interface),
        *("--http", "1", "--port", "{port}", "--workers", "1", "--loop", "asyncio", "--log-level", "warning"),
        *("--respawn-failed-workers", "--respawn-interval", "0.5", "--workers-kill-timeout", "15", *options),
    ]


def uvicorn(application: str, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "uvicorn", f"bench.serving_site:{application}", "--port", "{port}"),
        *("--no-access-log", "--log-level", "warning"),
        *("--timeout-keep-alive", "30", "--timeout-graceful-shutdown", "15", *options),
    ]


CANDIDATES = [
    Candidate("granian WSGI", granian("wsgi", "wsgi", "--blocking-threads", "8"), has_sockets=False),
    Candidate("granian ASGI, Django's handler", granian("asgi", "native")),
    Candidate("granian ASGI, a2wsgi", granian("asgi", "a2wsgi")),
    Candidate("granian ASGI, our bridge", granian("asgi", "bridge")),
    Candidate("uvicorn, Django's handler", uvicorn("native")),
    Candidate("uvicorn, a2wsgi", uvicorn("a2wsgi")),
    Candidate("uvicorn, our bridge", uvicorn("bridge")),
]


class Probe:
    """The measurements of one running server."""

    def __init__(self, port: int, session: int, database: str) -> None:
        self.port, self.session, self.database = port, session, database
        self.failures = 0

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def http(self, timeout: float = 60) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def memory(self) -> float:
        """MiB of the group, shared pages divided among the sharers."""
        total = 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if os.getsid(process.pid) == self.session:
                    total += process.memory_full_info().pss
        return total / MIB

    def load(self, method: str, path: str, body: bytes | None, requests: int) -> dict[str, float]:
        """CPU milliseconds per request and requests per second, with CLIENTS connections kept alive."""
        self._each_client(method, path, body, 25)
        cpu, started = cpu_seconds(self.session), time.perf_counter()
        self._each_client(method, path, body, requests // CLIENTS)
        seconds = time.perf_counter() - started
        return {
            "cpu_ms": round((cpu_seconds(self.session) - cpu) * 1000 / requests, 3),
            "per_s": round(requests / seconds),
        }

    def _each_client(self, method: str, path: str, body: bytes | None, count: int) -> None:
        def client() -> None:
            connection = self.http()
            for _ in range(count):
                try:
                    connection.request(method, path, body)
                    if connection.getresponse().read() and connection.sock is not None:
                        continue
                except (OSError, http.client.HTTPException):
                    pass
                self.failures += 1
                connection = self.http()

        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def sessions(self) -> int:
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            row = connection.execute(
                "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
        return int(row[0]) if row else 0

    def upload(self) -> dict[str, Any]:
        """Seconds, CPU and growth of memory while 150 MB arrive; and what a body without a length was taken for."""
        with self.watched_memory() as peak:
            cpu, started = cpu_seconds(self.session), time.perf_counter()
            connection = self.http()
            connection.putrequest("POST", "/upload")
            connection.putheader("Content-Length", str(UPLOAD))
            connection.endheaders()
            for _ in range(UPLOAD // MIB):
                connection.send(b"x" * MIB)
            answer = json.loads(connection.getresponse().read())
            seconds = time.perf_counter() - started
        chunked = self.http()
        chunked.request("POST", "/upload", iter([b"y" * 1000] * 100), encode_chunked=True)
        seen = json.loads(chunked.getresponse().read())
        return {
            "complete": answer["length"] == UPLOAD,
            "s": round(seconds, 2),
            "cpu_s": round(cpu_seconds(self.session) - cpu, 2),
            "memory_mib": round(peak()),
            "chunked_seen": seen["length"],
            "chunked_stated": seen["stated"],
        }

    @contextlib.contextmanager
    def watched_memory(self) -> Iterator[Callable[[], float]]:
        before, highest, stop = self.memory(), [0.0], threading.Event()

        def watch() -> None:
            while not stop.wait(0.05):
                highest[0] = max(highest[0], self.memory() - before)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield lambda: highest[0]
        finally:
            stop.set()
            thread.join()

    def others(self, seconds: float = 6) -> str:
        """The 95th percentile in ms of a quick request made again and again meanwhile, or that none was answered."""
        times, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            started = time.perf_counter()
            try:
                connection = self.http(timeout=seconds)
                connection.request("GET", "/query")
                connection.getresponse().read()
            except OSError:
                return "no answer"
            times.append((time.perf_counter() - started) * 1000)
            time.sleep(0.02)
        return f"{statistics.quantiles(times, n=20)[-1]:.0f} ms"

    def slow_bodies(self, count: int = 40) -> dict[str, Any]:
        """Others' latency while clients send bodies of 10 B/s; then whether such a client is let go within 30 s."""
        sockets = [self.connect() for _ in range(count)]
        for one in sockets:
            one.sendall(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        stop = threading.Event()
        closed_after: list[float] = []
        started = time.monotonic()

        def trickle() -> None:
            while not stop.wait(1):
                try:
                    for one in sockets:
                        one.sendall(b"z" * 10)
                except OSError:
                    closed_after.append(time.monotonic() - started)
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        others = self.others()
        thread.join(max(0.0, 35 - (time.monotonic() - started)))
        stop.set()
        thread.join()
        for one in sockets:
            one.close()
        return {"others": others, "closed_s": round(closed_after[0]) if closed_after else None}

    def slow_readers(self, count: int = 16) -> dict[str, Any]:
        """Others' latency and growth of memory while clients ask for 150 MB each and take nothing."""
        with self.watched_memory() as peak:
            sockets = [self.connect() for _ in range(count)]
            for one in sockets:
                one.sendall(b"GET /download HTTP/1.1\r\nHost: localhost\r\n\r\n")
            others = self.others()
        for one in sockets:
            one.close()
        return {"others": others, "memory_mib": round(peak())}

    def slow_headers(self) -> float | None:
        """Seconds until a client that sends a header byte by byte is let go."""
        one = self.connect()
        one.settimeout(0.5)
        started = time.monotonic()
        one.sendall(b"GET /query HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        while time.monotonic() - started < 40:
            try:
                one.sendall(b"a")
                if not one.recv(1):
                    return round(time.monotonic() - started)
            except TimeoutError:
                continue
            except OSError:
                return round(time.monotonic() - started)
            return round(time.monotonic() - started)
        return None

    def keeps_alive(self, seconds: float = 20) -> bool:
        """Whether a connection can be used again after lying idle."""
        connection = self.http()
        for wait in (seconds, 0.0):
            connection.request("GET", "/query")
            connection.getresponse().read()
            if connection.sock is None:
                return False
            time.sleep(wait)
        return True

    def recovers_s(self) -> float:
        """Seconds without an answer after the process that serves is killed."""
        serving = max(
            (process for process in psutil.process_iter() if _session(process) == self.session),
            key=lambda process: process.create_time(),
        )
        serving.kill()
        started = time.perf_counter()
        while time.perf_counter() - started < 20:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = self.http(timeout=1)
                connection.request("GET", "/query")
                if connection.getresponse().status == 200:
                    return round(time.perf_counter() - started, 1)
            time.sleep(0.05)
        return float("inf")

    def drains(self) -> bool:
        """Whether a request in progress at SIGTERM gets its answer. Last: the server is gone afterwards."""
        connection = self.http()
        connection.request("GET", "/slow")
        time.sleep(0.7)
        os.kill(self.session, 15)
        with contextlib.suppress(OSError, http.client.HTTPException):
            return connection.getresponse().read() == b"done"
        return False


def _session(process: psutil.Process) -> int:
    with contextlib.suppress(ProcessLookupError):
        return os.getsid(process.pid)
    return -1


def measure(candidate: Candidate, database_server: str, folder: Path, requests: int) -> dict[str, Any]:
    port, database = free_port(), new_database(database_server)
    command = [part.format(port=port) if part == "{port}" else part for part in candidate.command]
    environment = {"DATABASE_URL": database, "DATA_DIR": str(folder), "WEB_THREADS": "8", "LOG_LEVEL": "ERROR"}
    ready = f"http://127.0.0.1:{port}/query"
    with running(command, ready=ready, log=folder / "server.log", environment=environment) as session:
        probe = Probe(port, session, database)
        result: dict[str, Any] = {"idle_mib": round(probe.memory()), "sockets": candidate.has_sockets}
        before = probe.sessions()
        result["query"] = probe.load("GET", "/query", None, requests)
        result["batch"] = probe.load("POST", "/batch", BATCH, requests // 2)
        result["db_sessions"] = probe.sessions() - before - 1
        result["failures"] = probe.failures
        result["upload"] = or_failed(probe.upload)
        result["slow_bodies"] = or_failed(probe.slow_bodies)
        result["slow_readers"] = or_failed(probe.slow_readers)
        result["slow_header_closed_s"] = or_failed(probe.slow_headers)
        result["keep_alive_20_s"] = or_failed(probe.keeps_alive)
        if command[2] == "granian":
            result["killed_back_s"] = or_failed(probe.recovers_s)
        result["drains"] = or_failed(probe.drains)
    return result


def or_failed(measurement: Callable[[], Any]) -> Any:
    try:
        return measurement()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"failed: {error}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="a part of the candidates' names")
    options.add_argument("--json", type=Path)
    options.add_argument("--requests", type=int, default=4000)
    given = options.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder, postgres(durable=True) as server:
        for candidate in CANDIDATES:
            if given.only in candidate.name:
                home = Path(folder) / candidate.name.replace(" ", "-")
                home.mkdir()
                results[candidate.name] = measure(candidate, server, home, given.requests)
                print(json.dumps({candidate.name: results[candidate.name]}), flush=True)
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
