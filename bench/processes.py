"""The servers measured, each a group of processes of its own with a fresh database, and the CPU time they use."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(session: int) -> float:
    """User and system time of all live processes of the session, with that of their children that have ended."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session:
                    ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS_PER_SECOND


def settle(session: int, limit_seconds: float = 60) -> None:
    """Wait until the processes have been idle for two seconds, so that work put off is counted too."""
    deadline, before = time.monotonic() + limit_seconds, cpu_seconds(session)
    while time.monotonic() < deadline:
        time.sleep(2)
        after = cpu_seconds(session)
        if after - before < 0.1:
            return
        before = after


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310 - our own server on loopback
            return bool(answer.status == 200)
    except OSError:
        return False


@contextlib.contextmanager
def running(command: list[str], *, ready: str, log: Path, environment: dict[str, str]) -> Iterator[int]:
    """Start a server in a session of its own, yield the session's number once `ready` answers, stop it at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 180
            while not answers(ready):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.2)
            yield process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
