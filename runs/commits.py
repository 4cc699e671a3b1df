"""Committing several requests at once: SQLite waits for the disk at every commit.

The first request that wants to write leads: it opens the transaction, does its own work and that of every request that
waits by then, commits once, and wakes them. Those who come meanwhile are led by the next one. So there is no thread to
start or stop, a request that is alone does what it always did, and under load a commit carries as many requests as
arrive while the disk is busy.

Each request's work is in a savepoint of its own, unless it says that it `hardly_fails`; its failure is its own. When
the whole transaction fails, each is done alone. Nobody is woken before the commit.

PostgreSQL waits for the disk once for many commits by itself; there, and inside a transaction of the caller, work is
simply done. What it gains from groups is fewer ways there and back: see runs/series/statements.py, where batches of
points have a group of their own.
"""

from __future__ import annotations

import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

from django.db import DatabaseError, DataError, IntegrityError, connection, transaction

from projects.exceptions import Unavailable

Result = TypeVar("Result")
# Given what a thread has to call soon, it returns at once.
FindLeader = Callable[[Callable[[], None]], object]

MAX_GROUP = 256
_HARMLESS = (IntegrityError, DataError)  # errors of a statement, after which the transaction goes on


def committed(work: Callable[[], Result]) -> Result:
    """Do `work` in a transaction and return its result once that is committed. Its exceptions, and those of the commit,
    are raised here. `work` may be done by another thread, on that thread's connection, and again after a failure."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic():
            return work()
    return sqlite_group.commit(work)


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
class Job(Generic[Result]):
    """Work that waits. `wake` is called when it is done, and before that when whoever waits for it is to lead."""

    work: Callable[[], Result]
    wake: Callable[[Job[Result]], object]
    is_done: bool = False
    error: BaseException | None = None
    result: Result | None = None

    def run(self) -> None:
        """Do the work in the present transaction; an error that leaves that usable is kept."""
        try:
            with transaction.atomic():
                self.result = self.work()
        except DatabaseError as error:
            if not isinstance(error, _HARMLESS) or connection.needs_rollback:
                raise
            self.fail(error)
        except Exception as error:
            self.fail(error)

    def run_alone(self) -> None:
        """Do the work and commit it, whatever became of it before."""
        self.error = None
        try:
            with write_turn(), transaction.atomic():
                self.result = self.work()
        except Exception as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Keep the error. A result that there was before was not committed."""
        self.error, self.result = error, None

    def outcome(self) -> Result:
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class Group:
    """Work that waits for its commit, and who leads: one thread at a time, in each process."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._waiting: deque[Job[Any]] = deque()
        self._has_leader = False

    def commit(self, work: Callable[[], Result]) -> Result:
        """Have `work` done and committed, by this thread or by another one; its result, or what it raised."""
        woken = Lock()
        woken.acquire()
        job = Job(work, lambda _: woken.release())
        if not self._must_lead(job):
            woken.acquire()
        if not job.is_done:
            self._lead(job)
        return job.outcome()

    def submit(
        self,
        work: Callable[[], Result],
        when_done: Callable[[Job[Result]], object],
        find_leader: FindLeader,
    ) -> None:
        """As commit, but without waiting: `when_done` is called with the finished job, by the thread that did it.
        Neither may raise."""
        job = Job(work, lambda job: when_done(job) if job.is_done else find_leader(self.lead))
        if self._must_lead(job):
            find_leader(self.lead)

    def lead(self) -> None:
        """Commit all that waits, and what comes meanwhile; for the thread that `find_leader` found."""
        try:
            while self._lead(None):
                pass
        finally:
            if connection.errors_occurred:  # nobody else looks after the connection of this thread
                connection.close_if_unusable_or_obsolete()

    def commit_together(self, take: Callable[[int], Job[Any] | None]) -> None:
        """Do the jobs that `take` gives, as long as there are fewer than its argument, and commit them; to be replaced
        where the database has a better way. Errors of single jobs are kept in them; when it raises, nothing may be
        committed."""
        with write_turn(), transaction.atomic():
            is_alone = True
            while (job := take(MAX_GROUP)) is not None:
                # Alone, there is nobody yet whom a savepoint would protect from it.
                if getattr(job.work, "hardly_fails", False) or (is_alone and not self._waiting):
                    job.result = job.work()
                else:
                    job.run()
                is_alone = False

    def _must_lead(self, job: Job[Any]) -> bool:
        with self._mutex:
            self._waiting.append(job)
            leads, self._has_leader = not self._has_leader, True
        return leads

    def _lead(self, own: Job[Any] | None) -> bool:
        """Commit what waits, wake those who wait for it, and let the next leader lead. Without a job of its `own` the
        thread goes on leading: whether there is something to lead."""
        jobs: list[Job[Any]] = []
        goes_on = own is None
        try:
            self.commit_together(partial(self._take_into, jobs))
        except Exception as error:
            self._take_into(jobs, 1)  # the transaction may not even have begun
            if len(jobs) == 1:
                jobs[0].fail(error)
            else:
                for job in jobs:
                    job.run_alone()
        except BaseException:  # this thread is told to end; what it took from others is not committed
            goes_on = False
            self._take_into(jobs, 1)  # its own must not stay behind, waiting for a leader: it would be that itself
            for job in jobs:
                job.fail(Unavailable("The server is about to stop; send it again."))
            raise
        finally:
            is_leader = self._hand_over(own, jobs, goes_on=goes_on)
        return is_leader

    def _take_into(self, jobs: list[Job[Any]], limit: int) -> Job[Any] | None:
        """The next job, put to those of this commit, of which there may be `limit`."""
        with self._mutex:
            if len(jobs) >= limit or not self._waiting:
                return None
            jobs.append(self._waiting.popleft())
            return jobs[-1]

    def _hand_over(self, own: Job[Any] | None, jobs: list[Job[Any]], *, goes_on: bool) -> bool:
        with self._mutex:
            successor = self._waiting[0] if self._waiting else None
            self._has_leader = successor is not None
        if successor is not None and not goes_on:
            successor.wake(successor)
        for job in jobs:
            job.is_done = True
            if job is not own:
                job.wake(job)
        return goes_on and successor is not None


sqlite_group = Group()
