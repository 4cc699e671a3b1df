"""Groups of processes: started and stopped, the CPU time and the memory they use."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parent.parent
IDLE_SHARE = 0.05  # of one core


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Processes:
    """All live processes of a session, and those of the trees below `roots` (a database server of its own)."""

    session: int
    roots: tuple[int, ...] = ()

    def cpu(self) -> float:
        """User and system seconds used so far, with those of children that have ended."""
        ticks = sum(sum(int(field) for field in fields[11:15]) for fields in self._stats().values())
        return ticks / TICKS_PER_SECOND

    def pss(self) -> float:
        """MiB of memory; what several processes share is divided among them."""
        kilobytes = 0
        for pid in self._stats():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        kilobytes += int(line.split()[1])
        return kilobytes / 1024

    def settle(self, limit_seconds: float = 60, quiet_seconds: float = 1.0) -> float:
        """Wait until the processes have been idle for a while, so that work put off is counted too; the CPU seconds
        used until then."""
        deadline, before = time.monotonic() + limit_seconds, self.cpu()
        while time.monotonic() < deadline:
            time.sleep(quiet_seconds)
            after = self.cpu()
            if after - before < IDLE_SHARE * quiet_seconds:
                return before
            before = after
        return before

    def members(self) -> list[int]:
        return [pid for pid, fields in self._stats().items() if fields[0] != "Z"]

    def _stats(self) -> dict[int, list[str]]:
        """The fields of /proc/PID/stat after the command, for every process of the group."""
        stats = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    stats[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
        members = {pid for pid, fields in stats.items() if int(fields[3]) == self.session}
        below, found = set(self.roots), set(self.roots)
        while found:
            found = {pid for pid, fields in stats.items() if int(fields[1]) in found} - below
            below |= found
        return {pid: fields for pid, fields in stats.items() if pid in members | below}


def cpu_seconds(session: int) -> float:
    return Processes(session).cpu()


def settle(session: int, limit_seconds: float = 60) -> None:
    Processes(session).settle(limit_seconds)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310 - our own server on loopback
            return bool(answer.status == 200)
    except OSError:
        return False


class NotStarted(Exception):
    """A server ended or did not answer in time; the message has the end of its log."""


@contextlib.contextmanager
def running(
    command: list[str],
    *,
    ready: str,
    log: Path,
    environment: dict[str, str],
    cwd: Path = ROOT,
    seconds: float = 180,
) -> Iterator[int]:
    """Start a server in a session of its own, yield the session's number once `ready` answers, stop it at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + seconds
            while not answers(ready):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise NotStarted(f"did not start: {last_words(log)}")
                time.sleep(0.05)
            yield process.pid
        finally:
            end_session(process)


def last_words(log: Path) -> str:
    """The last line of a server's log that says something, and what stood before."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "\n".join([*lines[-1:], *lines[-20:-1]])


def end_session(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that leads a session, with its group, then whatever is left of the session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    group, deadline = Processes(process.pid), time.monotonic() + 5
    while (left := group.members()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
