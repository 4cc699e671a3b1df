"""Threads that make the blocks of long answers, shared by any number of answers.

An answer stays in one lane, so that what it opened in its thread, a database cursor say, stays usable. It takes the
thread only while a block is made, not while the client takes it: clients that stall hold nobody up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

Result = TypeVar("Result")


class Lane:
    """One thread and the number of answers that are made in it."""

    def __init__(self, name: str) -> None:
        self.answers = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def submit(self, work: Callable[[], object]) -> None:
        self._thread.submit(work)

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)


class Lanes:
    def __init__(self, count: int, release: Callable[[], object]) -> None:
        self._lanes = [Lane(f"lane-{number}") for number in range(count)]
        self._release = release

    @contextmanager
    def enter(self) -> Iterator[Lane]:
        """The lane with the fewest answers, for one more."""
        lane = min(self._lanes, key=lambda each: each.answers)
        lane.answers += 1
        try:
            yield lane
        finally:
            lane.answers -= 1
            if not lane.answers:
                with suppress(RuntimeError):  # the server is stopping
                    lane.submit(self._release)

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()
