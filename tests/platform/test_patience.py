"""Waits that last too long end; all others are left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tracking_platform.serving import patience as module
from tracking_platform.serving.patience import Patience


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)


async def never() -> None:
    await asyncio.Event().wait()


async def soon(result: str) -> str:
    await asyncio.sleep(0.05)
    return result


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 10))


def test_a_wait_that_lasts_too_long_ends_and_its_task_goes_on():
    async def work() -> str:
        patience = Patience()
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await patience.wait(never(), 0.02)
        return await patience.wait(soon("then"), 5)

    assert run(work()) == "then"


def test_each_task_has_its_own_time():
    async def work() -> list[Any]:
        patience = Patience()
        waits = [patience.wait(soon("first"), 5), patience.wait(never(), 0.03), patience.wait(soon("third"), 5)]
        return await asyncio.gather(*(asyncio.create_task(each) for each in waits), return_exceptions=True)

    first, second, third = run(work())
    assert (first, third) == ("first", "third")
    assert isinstance(second, TimeoutError)


def test_who_is_cancelled_by_somebody_else_is_cancelled():
    async def work() -> bool:
        task = asyncio.create_task(Patience().wait(never(), 5))
        await asyncio.sleep(0.03)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert run(work())


def test_an_error_of_what_is_awaited_is_raised():
    async def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(Patience().wait(fails(), 5))


def test_nothing_is_looked_at_while_nobody_waits():
    async def work() -> tuple[bool, bool]:
        patience = Patience()
        await patience.wait(soon(""), 5)
        await asyncio.sleep(0.05)
        idle = patience._is_looking
        waiting = asyncio.create_task(patience.wait(soon(""), 5))
        await asyncio.sleep(0)
        busy = patience._is_looking
        await waiting
        return idle, busy

    assert run(work()) == (False, True)
