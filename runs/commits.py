"""Committing several requests at once, where the database waits for the disk at every commit: SQLite.

The first request that wants to write leads: it opens the transaction, does its own work and that of every request that
waits by then, commits once, and wakes them. Those who come meanwhile are led by the next one. So there is no thread to
start or stop, a request that is alone does what it always did, and under load a commit carries as many requests as
arrive while the disk is busy.

Each request's work is in a savepoint of its own; its failure is its own. When the whole transaction fails, each is done
alone. Nobody is woken before the commit.

PostgreSQL groups commits by itself; there, and inside a transaction of the caller, work is simply done.
"""

from __future__ import annotations

import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

from django.db import DatabaseError, DataError, IntegrityError, connection, transaction

from projects.exceptions import Unavailable

Result = TypeVar("Result")

MAX_GROUP = 64
_HARMLESS = (IntegrityError, DataError)  # errors of a statement, after which the transaction goes on


def committed(work: Callable[[], Result]) -> Result:
    """Do `work` in a transaction and return its result once that is committed. Its exceptions, and those of the commit,
    are raised here. `work` may be done by another thread, on that thread's connection, and again after a failure."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic():
            return work()
    return _group.commit(work)


@contextmanager
def write_turn() -> Iterator[None]:
    """Wait for this process's turn to write. Whoever is to hold SQLite's write lock often, or for long, begins its
    transaction inside.

    SQLite's own waiting is a poll, up to 100 ms apart: a process that commits in a loop hardly ever leaves the lock
    free at the moment another one looks. Here who waits is woken at once, and who just had the turn is last. Nothing
    happens inside a transaction: it has the lock already.
    """
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or connection.in_atomic_block or not Path(name).is_absolute():
        yield
    else:
        with turn_at(name):
            yield


@contextmanager
def turn_at(name: str) -> Iterator[None]:
    """Wait in the queue that has this name, a path, with all other threads and processes."""
    # Two locks make it a queue: who waits for the turn holds the door, so the last one can't take it again before.
    door = _locked(f"{name}-door")
    try:
        turn = _locked(f"{name}-turn")
    finally:
        os.close(door)
    try:
        yield
    finally:
        os.close(turn)


def _locked(path: str) -> int:
    """An open file with the only lock on it. Each open counts by itself, so threads exclude each other too."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@dataclass(slots=True, eq=False)
class _Job(Generic[Result]):
    """Work that waits; `woken` is released when it is done, or when it is its turn to lead."""

    work: Callable[[], Result]
    woken: Lock = field(default_factory=Lock)
    is_done: bool = False
    error: BaseException | None = None
    result: Result | None = None

    def __post_init__(self) -> None:
        self.woken.acquire()

    def run(self) -> None:
        """Do the work; an error that leaves the transaction usable is kept."""
        self.error = None
        try:
            with transaction.atomic():
                self.result = self.work()
        except DatabaseError as error:
            if not isinstance(error, _HARMLESS) or connection.needs_rollback:
                raise
            self.error = error
        except Exception as error:
            self.error = error

    def run_alone(self) -> None:
        self.error = None
        try:
            with write_turn(), transaction.atomic():
                self.result = self.work()
        except Exception as error:
            self.error = error

    def outcome(self) -> Result:
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class _Group:
    def __init__(self) -> None:
        self._mutex = Lock()
        self._waiting: deque[_Job[Any]] = deque()
        self._has_leader = False

    def commit(self, work: Callable[[], Result]) -> Result:
        job = _Job(work)
        with self._mutex:
            self._waiting.append(job)
            leads, self._has_leader = not self._has_leader, True
        if not leads:
            job.woken.acquire()
        if not job.is_done:
            self._lead(job)
        return job.outcome()

    def _lead(self, leader: _Job[Any]) -> None:
        """Commit what waits, the leader's job first; then wake the others, and the next leader."""
        jobs: list[_Job[Any]] = []
        try:
            self._commit_together(jobs)
        except Exception as error:
            self._take_into(jobs, 1)  # the transaction may not even have begun
            if len(jobs) == 1:
                leader.error = error
            else:
                for job in jobs:
                    job.run_alone()
        except BaseException:  # this thread is told to end; what it took from others is not committed
            self._take_into(jobs, 1)  # its own must not stay behind, waiting for a leader: it would be that itself
            for job in jobs:
                job.error = Unavailable("The server is about to stop; send it again.")
            raise
        finally:
            self._hand_over(leader, jobs)

    def _commit_together(self, jobs: list[_Job[Any]]) -> None:
        with write_turn(), transaction.atomic():
            while len(jobs) < MAX_GROUP and (job := self._take_into(jobs, MAX_GROUP)) is not None:
                if len(jobs) == 1 and not self._waiting:
                    job.result = job.work()
                else:
                    job.run()

    def _take_into(self, jobs: list[_Job[Any]], limit: int) -> _Job[Any] | None:
        """The next job, put to those of this commit, of which there may be `limit`."""
        with self._mutex:
            if len(jobs) >= limit or not self._waiting:
                return None
            jobs.append(self._waiting.popleft())
            return jobs[-1]

    def _hand_over(self, leader: _Job[Any], jobs: list[_Job[Any]]) -> None:
        with self._mutex:
            successor = self._waiting[0] if self._waiting else None
            self._has_leader = successor is not None
        if successor is not None:
            successor.woken.release()
        for job in jobs:
            if job is leader:
                continue
            job.is_done = True
            job.woken.release()


_group = _Group()
