"""What this process remembers of the runs it writes to, so that a request which only logs points to series it knows
needs no question to the database.

Nothing here is trusted by itself. The ids of a run's series hold as long as `Run.attributes_version` is the same, and
the statement that writes points compares it; the numbers of writers and the sessions that logged never change once they
are committed. Everything is noted after the commit only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from cachetools import LRUCache

MAX_REMEMBERED = 400_000  # names of series, writers and sessions, of all runs together
_COUNTED_BATCHES = 16
OUT_OF_ORDER_MS = 1000  # threads of one process put what they log into its queue nearly in the order of time


@dataclass(slots=True, eq=False)
class RunMemory:
    """Series by path as of `version`, writers' numbers by uuid, and the sessions that need not be examined any more,
    each with the newest timestamp (ms) that this process saw of it."""

    version: int
    floats: dict[str, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    writers: dict[str, int] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)
    batches: int = 0

    @property
    def size(self) -> int:
        return 1 + len(self.floats) + len(self.texts) + len(self.writers) + len(self.sessions)

    def goes_on(self, session: str, first_ms: int) -> bool:
        """Whether a batch of the session that begins at `first_ms` goes on where it was. One that lies further back is
        from another queue: `neptune sync` sends those of several processes in one session."""
        last_ms = self.sessions.get(session)
        return last_ms is not None and first_ms >= last_ms - OUT_OF_ORDER_MS

    def saw(self, session: str, last_ms: int) -> None:
        """Note the newest timestamp of a batch of a known session."""
        self.sessions[session] = max(self.sessions.get(session, last_ms), last_ms)

    @property
    def counts_next(self) -> bool:
        """Whether is_time_to_count will be true the next time."""
        return self.batches % _COUNTED_BATCHES == 0

    def is_time_to_count(self) -> bool:
        """True for the first batch and then for one in sixteen: the moments to look how much waits for a flush."""
        is_time = self.counts_next
        self.batches += 1
        return is_time


_runs: LRUCache[int, RunMemory] = LRUCache(maxsize=MAX_REMEMBERED, getsizeof=lambda memory: memory.size)
_lock = Lock()


def recall(run_id: int) -> RunMemory | None:
    """What is remembered of a run, if anything."""
    with _lock:
        return _runs.get(run_id)


def remember(
    run_id: int,
    version: int,
    floats: Mapping[str, int],
    texts: Mapping[str, int],
    writers: Mapping[str, int],
    sessions: Mapping[str, int],
) -> None:
    """Note series that the run has at this version, and who logs to it. What belongs to an earlier version is
    dropped."""
    with _lock:
        memory = _runs.pop(run_id, None) or RunMemory(version)
        if memory.version < version:
            memory = RunMemory(version, {}, {}, memory.writers, memory.sessions, memory.batches)
        if memory.version == version:
            memory.floats.update(floats)
            memory.texts.update(texts)
        memory.writers.update(writers)
        for session, last_ms in sessions.items():
            memory.saw(session, last_ms)
        if memory.size <= MAX_REMEMBERED:
            _runs[run_id] = memory


def forget(run_id: int) -> None:
    """Drop what is remembered of a run: the database said that it is out of date."""
    with _lock:
        _runs.pop(run_id, None)


def forget_all() -> None:
    """For tests, whose databases are rolled back under the process."""
    with _lock:
        _runs.clear()
