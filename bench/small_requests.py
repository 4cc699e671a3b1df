"""Many runs that log a little several times a second: latency, and the server's CPU time per request.

    .venv/bin/python -m bench.small_requests
    .venv/bin/python -m tests.servers .venv/bin/python -m bench.small_requests    # on PostgreSQL and Redis

Every run has a session and a connection of its own, as the official clients have, and sends on its own beat whatever
became of its neighbours. A request's latency counts from the moment at which it was due, so a server that falls behind
shows it. All runs begin within one beat, when the server knows none of them: these first seconds are told apart from
what follows. The load comes from this process, which shares the machine with the server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import uvloop

from bench.processes import TICKS_PER_SECOND, free_port, running, settle

MOST_POINTS = 5
FIRST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Load:
    runs: int
    per_second: float
    seconds: float


@dataclass(slots=True)
class Tally:
    """What became of the requests: latencies in seconds, of those in the first seconds and of the later ones, and
    statuses that were not 200 (0: the connection broke)."""

    first: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    failures: Counter[int] = field(default_factory=Counter)


class Client:
    """One run's client."""

    def __init__(self, port: int, run: str, session: str, seed: int) -> None:
        self._port = port
        self._random = random.Random(seed)  # noqa: S311 - a reproducible load, not a secret
        self._head = (
            f"POST /api/leaderboard/v1/attributes/operations?experimentId={run} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {session}\r\nContent-Type: application/json\r\nUser-Agent: bench\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def log(self, tally: Tally, load: Load, began: float) -> None:
        """Send until the load's time is over."""
        period = 1 / load.per_second
        due = began + self._random.random() * period
        while due < began + FIRST_SECONDS + load.seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            status = await self._send()
            latencies = tally.latencies if due >= began + FIRST_SECONDS else tally.first
            latencies.append(time.perf_counter() - due)
            if status != 200:
                tally.failures[status] += 1
            due += period
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def _send(self) -> int:
        body = self._body()
        try:
            reader, writer = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
            self._streams = reader, writer
            writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            return int(head[9:12])
        except (OSError, asyncio.IncompleteReadError):
            self._streams = None
            return 0

    def _body(self) -> bytes:
        now = int(time.time() * 1000)
        operations = [
            {
                "path": f"metrics/series_{number}",
                "logFloats": {
                    "entries": [{"value": self._random.random(), "step": None, "timestampMilliseconds": now}]
                },
            }
            for number in range(self._random.randint(1, MOST_POINTS))
        ]
        return json.dumps(operations).encode()


def ask(port: int, method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, json.dumps(body), {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status} {text[:500].decode(errors='replace')}")
    return json.loads(text)


def clients(port: int, values: dict[str, str], count: int) -> list[Client]:
    token, project = values["NEPTUNE_API_TOKEN"], values["NEPTUNE_PROJECT"]
    made = []
    for number in range(count):
        run = ask(port, "POST", f"/api/v1/projects/{project}/runs/", {"Authorization": f"Bearer {token}"}, {})
        session = ask(port, "GET", "/api/backend/v1/authorization/oauth-token", {"X-Neptune-Api-Token": token})
        made.append(Client(port, run["uuid"], session["accessToken"], number))
    return made


async def drive(everyone: list[Client], load: Load, when_begun: Callable[[], object]) -> Tally:
    """Put the load on; `when_begun` is called after the first seconds."""
    tally, began = Tally(), time.perf_counter()
    asyncio.get_running_loop().call_later(FIRST_SECONDS, when_begun)
    await asyncio.gather(*(client.log(tally, load, began) for client in everyone))
    return tally


def first_values(file: Path) -> dict[str, str]:
    lines = [line.removeprefix("export ") for line in file.read_text().splitlines() if "=" in line]
    return {name: value.strip("'\"") for name, _, value in (line.partition("=") for line in lines)}


def cpu_by_name(session: int) -> dict[str, float]:
    """User and system seconds so far of the group's processes, by the names they give themselves."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
                fields = rest.split()
                if int(fields[3]) == session:
                    seconds[name] += (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    return seconds


def measure(load: Load, folder: Path) -> None:
    port, data = free_port(), folder / "data"
    environment = {"DATA_DIR": str(data), "HOST": "127.0.0.1", "PORT": str(port)}
    command = [sys.executable, "manage.py", "serve"]
    ready = f"http://127.0.0.1:{port}/readyz"
    with running(command, ready=ready, log=folder / "log", environment=environment) as session:
        everyone = clients(port, first_values(data / "first-run.env"), load.runs)
        marks: list[tuple[dict[str, float], float, float]] = []
        tally = uvloop.run(
            drive(
                everyone,
                load,
                lambda: marks.append((cpu_by_name(session), time.process_time(), time.perf_counter())),
            )
        )
        before, own_before, began = marks[0]
        seconds, own = time.perf_counter() - began, time.process_time() - own_before
        during = {name: used - before.get(name, 0.0) for name, used in cpu_by_name(session).items()}
        settle(session)
        settled = sum(cpu_by_name(session).values()) - sum(before.values())
        report(load, tally, seconds, during, settled, own)


def report(load: Load, tally: Tally, seconds: float, cpu: dict[str, float], settled: float, own: float) -> None:
    """`cpu` is what each of the server's processes used meanwhile, `settled` all of them until they were idle again,
    and `own` what this process used; in seconds."""
    count = len(tally.latencies)
    total = sum(cpu.values())
    parts = ", ".join(f"{name} {used / count * 1000:.2f}" for name, used in sorted(cpu.items()) if used / count > 5e-6)
    for line in [
        f"{load.runs} runs × {load.per_second:g} requests/s of 1 to {MOST_POINTS} points, {load.seconds:g} s",
        f"  answered   {count} requests, {count / seconds:.0f} per second; failures: {dict(tally.failures) or 'none'}",
        f"  latency    {percentiles(tally.latencies)}",
        f"  before     {percentiles(tally.first)}, in the first {FIRST_SECONDS:g} s",
        f"  server CPU {total / count * 1000:.2f} ms per request ({total / seconds:.2f} cores): {parts}",
        f"  with the work put off {settled / count * 1000:.2f} ms per request",
        f"  the load generator used {own / seconds:.2f} cores",
    ]:
        print(line)


def percentiles(latencies: list[float]) -> str:
    p50, p95, p99 = (statistics.quantiles(latencies, n=100)[percent - 1] * 1000 for percent in (50, 95, 99))
    return f"p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f}, largest {max(latencies) * 1000:.1f} ms"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=200)
    options.add_argument("--per-second", type=float, default=8.0, help="requests of each run")
    options.add_argument("--seconds", type=float, default=20.0)
    given = options.parse_args()
    print("on PostgreSQL" if os.environ.get("DATABASE_URL") else "on SQLite")
    with tempfile.TemporaryDirectory() as folder:
        measure(Load(given.runs, given.per_second, given.seconds), Path(folder))


if __name__ == "__main__":
    main()
