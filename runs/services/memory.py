"""What this process remembers of the runs it writes to, so that a request which only logs points to series it knows
needs no question to the database.

Nothing here is trusted by itself. The ids of a run's series hold as long as `Run.attributes_version` is the same, and
the statement that writes points compares it; the numbers of writers and the sessions that logged never change once they
are committed. Everything is noted after the commit only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from cachetools import LRUCache

MAX_REMEMBERED = 400_000  # names of series, writers and sessions, of all runs together
_COUNTED_BATCHES = 16


@dataclass(slots=True, eq=False)
class RunMemory:
    """Series by path as of `version`, writers' numbers by uuid, and sessions that need not be examined any more."""

    version: int
    floats: dict[str, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    writers: dict[str, int] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    batches: int = 0

    @property
    def size(self) -> int:
        return 1 + len(self.floats) + len(self.texts) + len(self.writers) + len(self.sessions)

    def is_time_to_count(self) -> bool:
        """True for the first batch and then for one in sixteen: the moments to look how much waits for a flush."""
        self.batches += 1
        return self.batches % _COUNTED_BATCHES == 1


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
    sessions: Iterable[str],
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
        memory.sessions.update(sessions)
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
