"""The threads that answer requests."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tracking_platform.serving import threads as threads_module
from tracking_platform.serving.threads import Threads, Together


def in_loop(work: Callable[[Threads], Awaitable[Any]], count: int = 2) -> Any:
    """What `work` returns, given `count` threads."""

    async def main() -> Any:
        threads = Threads(count, "test")
        try:
            return await work(threads)
        finally:
            threads.close()

    return asyncio.run(main())


def test_a_call_gives_what_the_function_returns_and_raises_what_it_raises():
    async def work(threads: Threads) -> None:
        assert await threads.call(lambda number: number + 1, 1) == 2
        with pytest.raises(ZeroDivisionError):
            await threads.call(lambda number: number / 0, 1)
        with pytest.raises(SystemExit):
            await threads.call(sys.exit, 1)
        assert await threads.call(str, 5) == "5"

    in_loop(work, count=1)


def test_calls_run_side_by_side_on_so_many_threads_and_no_more():
    together, most, lock = 0, 0, threading.Lock()

    def busy(_: object) -> str:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        time.sleep(0.02)
        with lock:
            together -= 1
        return threading.current_thread().name

    async def work(threads: Threads) -> list[str]:
        return list(await asyncio.gather(*(threads.call(busy, None) for _ in range(9))))

    names = in_loop(work, count=3)
    assert most == 3
    assert set(names) == {"test_0", "test_1", "test_2"}


def test_one_thread_does_it_all_while_one_is_enough():
    async def work(threads: Threads) -> set[str]:
        return {await threads.call(lambda _: threading.current_thread().name, None) for _ in range(20)}

    assert len(in_loop(work, count=8)) == 1


def test_a_call_that_nobody_waits_for_any_more_harms_no_other():
    gate = threading.Event()

    async def work(threads: Threads) -> str:
        forgotten = threads.call(lambda _: gate.wait(10), None)
        forgotten.cancel()
        gate.set()
        answer: str = await threads.call(str, "next")
        return answer

    assert in_loop(work, count=1) == "next"


def test_what_comes_while_a_function_runs_is_put_together_for_its_next_call():
    gate = threading.Event()
    calls: list[list[int]] = []

    def look(numbers: list[int]) -> None:
        gate.wait(10)
        calls.append(numbers)
        if len(calls) == 2:
            raise ValueError

    async def work(threads: Threads) -> None:
        together = Together(threads, look)
        first = together.call(0)
        others = [together.call(number) for number in range(1, 5)]
        others[1].cancel()
        gate.set()
        await first
        await asyncio.gather(*(each for each in others if not each.cancelled()))
        await together.call(5)

    in_loop(work)
    assert calls == [[0], [1, 2, 3, 4], [5]]


def test_closing_waits_for_what_was_asked_for():
    done = []

    def slow(number: int) -> None:
        time.sleep(0.02)
        done.append(number)

    async def work(threads: Threads) -> None:
        for number in range(5):
            threads.call(slow, number)

    in_loop(work, count=2)
    assert sorted(done) == [0, 1, 2, 3, 4]


def test_threads_end_with_the_pool():
    async def work(threads: Threads) -> None:
        await asyncio.gather(*(threads.call(time.sleep, 0.01) for _ in range(4)))

    in_loop(work, count=4)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("test_")]


def test_a_thread_gives_back_what_it_holds_when_it_has_been_idle_and_at_its_end(monkeypatch):
    monkeypatch.setattr(threads_module, "IDLE_SECONDS", 0.2)
    released: list[str] = []

    async def main() -> None:
        threads = Threads(1, "test", lambda: released.append(threading.current_thread().name))
        for _ in range(3):
            await threads.call(str, 1)
        assert not released
        while not released:
            await asyncio.sleep(0.01)
        assert await threads.call(str, 2) == "2"
        threads.close()

    asyncio.run(main())
    assert released == ["test_0", "test_0"]


def test_calls_that_wait_can_be_cancelled():
    async def work(threads: Threads) -> None:
        begun, end = threading.Event(), threading.Event()
        first = threads.call(lambda _: begun.set() or end.wait(5), None)
        second = threads.call(str, 1)
        begun.wait(5)
        threads.cancel_waiting()
        end.set()
        assert await first
        assert second.cancelled()

    in_loop(work, count=1)
