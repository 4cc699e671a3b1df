"""When periodic tasks are due: one thread beside the task worker that sends their messages.

It keeps nothing between starts. Every task may run too often or be missed, since the database says what is to be done;
so each is sent soon after the start, and then by its interval.
"""

from __future__ import annotations

import heapq
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from celery import Celery
from celery.signals import worker_ready

logger = logging.getLogger(__name__)
LONGEST_FIRST_WAIT = 60.0  # a platform that is started anew every day still does what is due every hour


@dataclass(order=True)
class Entry:
    """A periodic task and when it is due, in seconds of the monotonic clock."""

    due: float
    task: str = field(compare=False)
    seconds: float = field(compare=False)
    options: dict[str, Any] = field(compare=False)


class Clock:
    """Sends each entry of a schedule when it is due; `tick` says how long nothing will be."""

    def __init__(self, schedule: dict[str, dict[str, Any]], send: Callable[..., object], now: float) -> None:
        self._send = send
        self._entries = [
            # The short ones at once: they show that tasks run, and take up what was left behind.
            Entry(
                now if each["schedule"] <= LONGEST_FIRST_WAIT else now + LONGEST_FIRST_WAIT,
                each["task"],
                each["schedule"],
                each.get("options", {}),
            )
            for each in schedule.values()
        ]
        heapq.heapify(self._entries)

    def tick(self, now: float) -> float:
        """Send what is due at `now`; the seconds until the next is. A broker that is away costs the message alone."""
        while (entry := self._entries[0]).due <= now:
            # Counted from now: after the machine slept, nothing is made up for.
            heapq.heapreplace(self._entries, Entry(now + entry.seconds, entry.task, entry.seconds, entry.options))
            try:
                self._send(entry.task, **entry.options)
            except Exception as error:
                logger.warning("The periodic task %s could not be sent: %s", entry.task, error)
        return self._entries[0].due - now


def start_clock(app: Celery) -> None:
    """Run the clock with `app.conf.beat_schedule` as soon as the worker takes tasks."""

    @worker_ready.connect(weak=False)
    def _start(**_: object) -> None:
        clock = Clock(app.conf.beat_schedule, app.send_task, time.monotonic())
        threading.Thread(target=_keep_ticking, args=(clock,), name="clock", daemon=True).start()


def _keep_ticking(clock: Clock) -> None:
    """A worker whose clock has stopped must not live on unnoticed: it ends, and the supervisor starts another."""
    try:
        while True:
            time.sleep(max(clock.tick(time.monotonic()), 0.01))
    except BaseException:
        logger.exception("The clock of periodic tasks stopped.")
        os._exit(1)
