"""Keep a group of programs running in the foreground: start, restart with back-off, stop all together.

Only the standard library is imported here: `replace_process` puts a small process in the place of `manage.py serve`,
with the same process number, so that all of Django need not stay in memory for watching others.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from tracking_platform.serving.processes import die_with_parent

FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0
STEADY_SECONDS = 30.0  # whoever ran so long starts again at the first delay
STOP_SECONDS = 20.0
TICK_SECONDS = 1.0


def say(message: str) -> None:
    sys.stdout.write(message + "\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Program:
    """One program of the group; `environment` is added to our own."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


class Seat:
    """A program's place in the group, and the process that fills it."""

    def __init__(self, program: Program) -> None:
        self.name = program.name
        self.process: subprocess.Popen[bytes] | None = None
        self.starts_at = 0.0
        self._command = program.command
        self._environment = {**os.environ, **program.environment}
        self._started_at = 0.0
        self._delay = FIRST_DELAY

    def start(self) -> None:
        self._started_at = time.monotonic()
        # A process group of its own, so that Ctrl-C reaches the supervisor alone, which then stops everyone in order.
        self.process = subprocess.Popen(  # noqa: S603 - our own programs
            self._command, env=self._environment, preexec_fn=die_with_parent, process_group=0
        )

    def reap(self) -> int | None:
        """The exit status, once, when the process has ended; plans the next start."""
        if self.process is None or (status := self.process.poll()) is None:
            return None
        self.kill()  # whatever it left behind in its group
        now = time.monotonic()
        if now - self._started_at >= STEADY_SECONDS:
            self._delay = FIRST_DELAY
        self.process, self.starts_at = None, now + self._delay
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        return status

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    def kill(self) -> None:
        """End the whole process group at once."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """Runs `programs` until SIGINT, SIGTERM or SIGHUP; a second signal stops without waiting.

    `is_ready` is asked once a tick until it first says yes; then `on_ready` is called.
    """

    def __init__(
        self, programs: Sequence[Program], *, is_ready: Callable[[], bool], on_ready: Callable[[], None]
    ) -> None:
        self._seats = [Seat(program) for program in programs]
        self._is_ready: Callable[[], bool] | None = is_ready
        self._on_ready = on_ready
        self._stop_requests = 0
        self._wakeup, self._wakeup_writer = os.pipe()

    def run(self) -> None:
        self._listen()
        try:
            while not self._stop_requests:
                self._tend()
                self._check_ready()
                self._rest(0.1 if self._is_ready else TICK_SECONDS)
        finally:
            self._stop()

    def _listen(self) -> None:
        os.set_blocking(self._wakeup_writer, False)
        signal.set_wakeup_fd(self._wakeup_writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._request_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake up

    def _request_stop(self, *_: object) -> None:
        self._stop_requests += 1

    def _rest(self, seconds: float) -> None:
        """Sleep until a signal or for `seconds`."""
        if select.select([self._wakeup], [], [], seconds)[0]:
            os.read(self._wakeup, 1024)

    def _tend(self) -> None:
        for seat in self._seats:
            if (status := seat.reap()) is not None:
                wait = seat.starts_at - time.monotonic()
                say(f"The {seat.name} ended ({_reason(status)}); starting it again in {wait:.1f} s.")
            if seat.process is None and time.monotonic() >= seat.starts_at:
                seat.start()

    def _check_ready(self) -> None:
        if self._is_ready is not None and self._is_ready():
            self._is_ready = None
            self._on_ready()

    def _stop(self) -> None:
        say("\nStopping…")
        deadline = time.monotonic() + STOP_SECONDS
        for seat in self._seats:
            seat.send(signal.SIGTERM)
        while self._running() and self._stop_requests < 2 and time.monotonic() < deadline:
            self._rest(0.2)
        for seat in self._running():
            say(f"The {seat.name} did not stop in time and was ended.")
        for seat in self._seats:
            seat.kill()
            if seat.process is not None:
                seat.process.wait()
        say("Stopped.")

    def _running(self) -> list[Seat]:
        return [seat for seat in self._seats if seat.process and seat.process.poll() is None]


@dataclass(frozen=True)
class Group:
    """What `replace_process` hands over: the programs, where to ask whether they are ready, and what to say then."""

    programs: list[Program]
    ready_url: str
    announcement: str


def replace_process(group: Group, folder: Path) -> NoReturn:
    """Become the supervisor of `group`, working in `folder`. Files marked inheritable, such as a lock, stay open."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:  # a pipe, because arguments and environments can be seen by others
        json.dump(asdict(group), stream)
    os.set_inheritable(reader, True)
    os.chdir(folder)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "tracking_platform.serving.supervisor", str(reader)])  # noqa: S606


def answers(url: str) -> bool:
    """Whether our own web server says that all its parts are there."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    try:
        connection = _https(host, port) if parts.scheme == "https" else HTTPConnection(host, port, timeout=5)
        connection.request("GET", parts.path, headers={"Host": "localhost"})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False


def _https(host: str, port: int | None) -> HTTPConnection:
    import ssl

    # The certificate is for the name that people use, not for the address on this machine.
    return HTTPSConnection(host, port, timeout=5, context=ssl._create_unverified_context())  # noqa: S323


def main() -> None:
    with os.fdopen(int(sys.argv[1])) as stream:
        given = json.load(stream)
    programs = [Program(**program) for program in given["programs"]]
    url, announcement = given["ready_url"], given["announcement"]
    Supervisor(programs, is_ready=lambda: answers(url), on_ready=lambda: say(announcement)).run()


def _reason(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"


if __name__ == "__main__":
    main()
