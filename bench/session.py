"""One run of the bench: which servers are up, what was measured, what could not be."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from bench.contenders import Contender, Server, Unavailable
from bench.database import SQLITE, open_store
from bench.platform import Platform
from bench.report import Measured, Row


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: `FULL` within three quarters of an hour on two cores, `QUICK` within five minutes."""

    repeats: int
    slow_repeats: int
    share: float
    """Of the full size of each load."""
    series_points: int
    runs: tuple[int, ...]
    growth_points: tuple[int, ...]
    window_seconds: float
    """How long a page or a chart is asked for again and again in one repeat."""
    is_short: bool = False
    """Leave out the loads that no goal depends on."""


_POINTS = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
FULL = Sizes(5, 3, 1.0, 1_000_000, (100, 1_000, 10_000, 100_000), _POINTS, 2.0)
QUICK = Sizes(2, 1, 0.15, 100_000, (100, 1_000, 10_000), (10_000, 100_000, 1_000_000), 0.7, True)
TINY = Sizes(2, 1, 0.02, 20_000, (10, 100), (1_000, 10_000), 0.2, True)

PLATFORM: Contender = Platform()


@dataclass
class Session:
    sizes: Sizes
    peers: Sequence[Contender]
    rows: list[Row] = field(default_factory=list)
    growth: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    profiles: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a contender has no figures, by its name."""

    def __post_init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._servers: dict[tuple[str, str, str], Server] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self._folder.chmod(0o755)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop_servers()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def install(self) -> None:
        """Install every peer; one that can't be is left out and named."""
        self.peers = [peer for peer in self.peers if self.attempt(peer.name, peer.install) is not FAILED]

    def attempt(self, name: str, action: Callable[[], object]) -> object:
        """The action's result, or FAILED with the reason remembered."""
        try:
            return action()
        except (Unavailable, OSError, HTTPException) as error:
            self.reasons[name] = str(error) or type(error).__name__
            self.say(f"{name}: {error}")
            return FAILED

    def why(self, name: str) -> str:
        """Why a peer has no figures, in a few words."""
        return self.reasons.get(name, "was not asked for").splitlines()[0][:160]

    def peer(self, name: str) -> Contender | None:
        return next((peer for peer in self.peers if peer.name == name), None)

    def server(self, contender: Contender, kind: str = SQLITE, purpose: str = "") -> Server:
        """A running server of the contender on that kind of database; the same one when asked again."""
        key = (contender.name, kind, purpose)
        if key not in self._servers:
            self.say(f"Starting {contender.name} on {kind}")
            folder = self._folder / "-".join(part for part in key if part)
            ours = contender is PLATFORM
            store = self._stack.enter_context(open_store(folder, kind, with_broker=ours))
            log = self._folder / f"{folder.name}.log"
            self._servers[key] = self._stack.enter_context(contender.start(store, log))
        return self._servers[key]

    def stop_servers(self) -> None:
        self._servers.clear()
        self._stack.close()
        self._stack = contextlib.ExitStack()

    @contextlib.contextmanager
    def fresh(self, contender: Contender, kind: str = SQLITE) -> Iterator[Server]:
        """A server that nobody else uses, stopped at the end."""
        folder = Path(tempfile.mkdtemp(prefix=f"{contender.name}-", dir=self._folder))
        ours = contender is PLATFORM
        with (
            open_store(folder / "data", kind, with_broker=ours) as store,
            contender.start(store, folder / "log") as server,
        ):
            yield server

    def say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


FAILED = object()


def timed_median(action: Callable[[], object], window_seconds: float, *, most: int = 30) -> float:
    """Median milliseconds of an action repeated for a while, at least once; the first, cold one does not count unless
    it alone fills the window."""
    started = time.perf_counter()
    action()
    times: list[float] = []
    first = time.perf_counter() - started
    while len(times) < most and time.perf_counter() - started < max(window_seconds, first):
        before = time.perf_counter()
        action()
        times.append(time.perf_counter() - before)
    return Measured.of(times or [first]).median * 1000
