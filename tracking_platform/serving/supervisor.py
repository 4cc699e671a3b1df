"""Keep a group of programs running in the foreground: start, restart with back-off, stop all together.

A program is a function that runs in a process of its own, forked from the one that watches. What that process has
loaded is shared by all of them, so they start at once and the common part of their memory is there once.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from tracking_platform.serving.processes import die_with_parent, name_process

FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0
STEADY_SECONDS = 30.0  # whoever ran so long starts again at the first delay
STOP_SECONDS = 20.0
TICK_SECONDS = 1.0
READY_TICK_SECONDS = 0.05
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(message: str) -> None:
    sys.stdout.write(message + "\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Program:
    """One program of the group. `run` returns, or raises SystemExit with, the exit status; None is success."""

    name: str
    run: Callable[[], int | None]


class Seat:
    """A program's place in the group, and the process that fills it."""

    def __init__(self, program: Program) -> None:
        self.name = program.name
        self.pid: int | None = None
        self.starts_at = 0.0
        self._program = program
        self._started_at = 0.0
        self._delay = FIRST_DELAY

    def start(self) -> None:
        self._started_at = time.monotonic()
        self.pid = _fork(self._program)

    def reap(self) -> int | None:
        """The exit status, once, when the process has ended (negative: the signal); plans the next start."""
        if (status := self._poll()) is None:
            return None
        now = time.monotonic()
        if now - self._started_at >= STEADY_SECONDS:
            self._delay = FIRST_DELAY
        self.starts_at = now + self._delay
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        return status

    def is_running(self) -> bool:
        self._poll()
        return self.pid is not None

    def send(self, number: signal.Signals) -> None:
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self) -> None:
        """End the whole process group at once and wait for it."""
        if self.pid is not None:
            _kill_group(self.pid)
            os.waitpid(self.pid, 0)
            self.pid = None

    def _poll(self) -> int | None:
        if self.pid is None:
            return None
        ended, status = os.waitpid(self.pid, os.WNOHANG)
        if not ended:
            return None
        _kill_group(self.pid)  # whatever it left behind
        self.pid = None
        return os.waitstatus_to_exitcode(status)


def _fork(program: Program) -> int:
    """Run the program in a process and a process group of its own, so that Ctrl-C reaches the supervisor alone, which
    then stops everyone in order. Returns the process number."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        _become(program, parent)
    with suppress(OSError):  # it does so itself, too: whoever comes first
        os.setpgid(pid, pid)
    return pid


def _become(program: Program, parent: int) -> NoReturn:
    """The forked process's whole life: it must never return into the supervisor's code."""
    status = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (*_SIGNALS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        die_with_parent(parent)
        name_process(program.name)
        status = program.run() or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


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
        gc.collect()
        gc.freeze()  # nothing here is looked at again, so what is shared stays shared
        try:
            while not self._stop_requests:
                self._tend()
                self._check_ready()
                self._rest(READY_TICK_SECONDS if self._is_ready else TICK_SECONDS)
        finally:
            self._stop()

    def _listen(self) -> None:
        os.set_blocking(self._wakeup_writer, False)
        signal.set_wakeup_fd(self._wakeup_writer, warn_on_full_buffer=False)
        for number in _SIGNALS:
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
            if seat.pid is None and time.monotonic() >= seat.starts_at:
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
            seat.end()
        say("Stopped.")

    def _running(self) -> list[Seat]:
        return [seat for seat in self._seats if seat.is_running()]


def _reason(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
