"""The threads that answer requests, called from the event loop.

`ThreadPoolExecutor` would do; its locks and its two futures cost 45 µs of processor time a call, as much as all that
lies before it. Here the event loop does all the book-keeping, so there is nothing to lock. The thread used last is used
first: as long as one is enough, only one has a database connection and its caches. Threads with `release` give that
back when nothing comes for a while. To make a connection for each request cost more than PostgreSQL takes for 50,000
points.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

IDLE_SECONDS = 5.0


class Job(NamedTuple):
    function: Callable[[Any], Any]
    argument: Any
    result: asyncio.Future[Any]


class Threads:
    """Up to `count` threads. All methods are called by the thread of the event loop. `release` is called in a thread
    that was idle for IDLE_SECONDS, and at its end."""

    def __init__(self, count: int, name: str, release: Callable[[], object] | None = None) -> None:
        self._count = count
        self._name = name
        self._release = release
        self._all: list[Worker] = []
        self._idle: list[Worker] = []
        self._waiting: deque[Job] = deque()

    def call(self, function: Callable[[Any], Any], argument: Any) -> asyncio.Future[Any]:
        """The future result of `function(argument)`, called on one of the threads as soon as one is free."""
        job = Job(function, argument, asyncio.get_running_loop().create_future())
        if self._idle:
            self._idle.pop().jobs.put(job)
        elif len(self._all) < self._count:
            self._all.append(Worker(self, f"{self._name}_{len(self._all)}", self._release))
            self._all[-1].jobs.put(job)
        else:
            self._waiting.append(job)
        return job.result

    def finished(self, worker: Worker, result: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
        """Take a job's outcome, and give its worker the next job."""
        while self._waiting and self._waiting[0].result.cancelled():
            self._waiting.popleft()
        if self._waiting:
            worker.jobs.put(self._waiting.popleft())
        else:
            self._idle.append(worker)
        if result.cancelled():
            return
        if error is None:
            result.set_result(value)
        else:
            result.set_exception(error)

    def cancel_waiting(self) -> None:
        for job in self._waiting:
            job.result.cancel()
        self._waiting.clear()

    def close(self) -> None:
        """Do what waits, then end the threads."""
        for place, job in enumerate(self._waiting):
            self._all[place % len(self._all)].jobs.put(job)
        self._waiting.clear()
        for worker in self._all:
            worker.jobs.put(None)
        for worker in self._all:
            worker.thread.join()


class Worker:
    """One thread; its jobs come one at a time, None is the end."""

    def __init__(self, owner: Threads, name: str, release: Callable[[], object] | None) -> None:
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._release = release
        self.thread = Thread(target=self._work, args=(owner,), name=name, daemon=True)
        self.thread.start()

    def _next(self) -> Job | None:
        if self._release is None:
            return self.jobs.get()
        with suppress(Empty):
            return self.jobs.get(timeout=IDLE_SECONDS)
        self._release()
        return self.jobs.get()

    def _work(self, owner: Threads) -> None:
        while (job := self._next()) is not None:
            value, error = None, None
            try:
                value = job.function(job.argument)
            except BaseException as raised:
                error = raised
            loop = job.result.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(owner.finished, self, job.result, value, error)
            del job, value, error  # what was asked for need not live until the next request
        if self._release is not None:
            self._release()


class Together:
    """One function that is called for many arguments at a time: those that come while it runs wait for its next call.
    All methods are called by the thread of the event loop."""

    def __init__(self, threads: Threads, function: Callable[[list[Any]], object]) -> None:
        self._threads = threads
        self._function = function
        self._waiting: list[tuple[Any, asyncio.Future[None]]] = []
        self._is_running = False

    def call(self, argument: Any) -> asyncio.Future[None]:
        """Done when the function was called for the argument, whatever became of that."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((argument, done))
        if not self._is_running:
            self._run()
        return done

    def _run(self) -> None:
        called, self._waiting = self._waiting, []
        self._is_running = True
        running = self._threads.call(self._function, [argument for argument, _ in called])
        running.add_done_callback(partial(self._finish, called))

    def _finish(self, called: list[tuple[Any, asyncio.Future[None]]], running: asyncio.Future[Any]) -> None:
        if not running.cancelled():
            running.exception()  # it was looked at
        for _, done in called:
            if not done.done():  # the client went away
                done.set_result(None)
        self._is_running = False
        if self._waiting:
            self._run()
