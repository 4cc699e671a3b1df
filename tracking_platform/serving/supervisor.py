"""Keep a group of programs running in the foreground: start, restart with back-off, stop all together.

Only the standard library is imported here.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from tracking_platform.serving.processes import die_with_parent

FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0
STEADY_SECONDS = 30.0  # whoever ran so long starts again at the first delay
STOP_SECONDS = 20.0
TICK_SECONDS = 1.0


def say(message: str) -> None:
    sys.stdout.write(message + "\n")
    sys.stdout.flush()


class Program:
    """One program of the group and its present process."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.command = list(command)
        self.environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self.starts_at = 0.0
        self._started_at = 0.0
        self._delay = FIRST_DELAY

    def start(self) -> None:
        self._started_at = time.monotonic()
        # A process group of its own, so that Ctrl-C reaches the supervisor alone, which then stops everyone in order.
        self.process = subprocess.Popen(  # noqa: S603 - our own programs
            self.command, env=self.environment, preexec_fn=die_with_parent, process_group=0
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
        self._programs = list(programs)
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
        for program in self._programs:
            if (status := program.reap()) is not None:
                wait = program.starts_at - time.monotonic()
                say(f"The {program.name} ended ({_reason(status)}); starting it again in {wait:.1f} s.")
            if program.process is None and time.monotonic() >= program.starts_at:
                program.start()

    def _check_ready(self) -> None:
        if self._is_ready is not None and self._is_ready():
            self._is_ready = None
            self._on_ready()

    def _stop(self) -> None:
        say("\nStopping…")
        deadline = time.monotonic() + STOP_SECONDS
        for program in self._programs:
            program.send(signal.SIGTERM)
        while self._running() and self._stop_requests < 2 and time.monotonic() < deadline:
            self._rest(0.2)
        for program in self._running():
            say(f"The {program.name} did not stop in time and was ended.")
        for program in self._programs:
            program.kill()
            if program.process is not None:
                program.process.wait()
        say("Stopped.")

    def _running(self) -> list[Program]:
        return [program for program in self._programs if program.process and program.process.poll() is None]


def _reason(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
