"""Ending waits that last too long.

`asyncio.timeout` makes a timer for each wait and takes it back: a tenth of the event loop's time under many small
requests, none of which ever waits for long. Here who waits is noted, and looked at once in a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")

LOOK_SECONDS = 0.5  # a wait may last so much longer than it should


class Patience:
    """For the tasks of one event loop, each of which waits for one thing at a time."""

    def __init__(self) -> None:
        self._until: dict[asyncio.Task[object], float] = {}
        self._ended: set[asyncio.Task[object]] = set()
        self._is_looking = False

    async def wait(self, awaitable: Awaitable[Result], seconds: float) -> Result:
        """What the awaitable gives. Raises TimeoutError after so many seconds, or a little later."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 - whoever awaits is in one
        self._until[task] = loop.time() + seconds
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(LOOK_SECONDS, self._look, loop)
        try:
            return await awaitable
        except asyncio.CancelledError:
            # Should somebody else have cancelled it as well, that is left to be raised.
            if task in self._ended and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            del self._until[task]
            self._ended.discard(task)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, until in self._until.items():
            if until <= now and task not in self._ended:
                self._ended.add(task)
                task.cancel()
        self._is_looking = bool(self._until)
        if self._is_looking:
            loop.call_later(LOOK_SECONDS, self._look, loop)
