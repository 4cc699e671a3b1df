"""The processes that run tasks, when the broker is made of files.

They take their work from one pipe under one lock, and a process that waits for work holds it. If that one is killed
(say, because memory ran out) the lock is never given back, and the processes started in its place wait for ever. So the
whole worker ends then, and the supervisor starts another. With Redis each process has a pipe of its own.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from billiard.pool import TimeoutHandler
from celery.concurrency import prefork

logger = logging.getLogger(__name__)


class NotingTimeoutHandler(TimeoutHandler):  # type: ignore[misc]
    """Notes of a process whose task took too long that it is we who end it."""

    def _trywaitkill(self, process: Any) -> None:
        process._controlled_termination = True
        super()._trywaitkill(process)


class WatchedPool(prefork.BlockingPool):  # type: ignore[misc]
    TimeoutHandler = NotingTimeoutHandler

    def _join_exited_workers(self, shutdown: bool = False) -> Any:
        if not shutdown and (lost := self._lost_while_waiting()):
            logger.error("Process %s ended while it waited for a task; the task worker starts anew.", lost[0])
            os._exit(1)
        return super()._join_exited_workers(shutdown)

    def _lost_while_waiting(self) -> list[int]:
        """The processes that were ended neither by us nor by the task they were running."""
        working = {pid for job in list(self._cache.values()) for pid in job.worker_pids()}
        return [
            process.pid
            for process in self._pool
            if (process.exitcode or 0) < 0 and not process._controlled_termination and process.pid not in working
        ]


class TaskPool(prefork.TaskPool):  # type: ignore[misc]
    BlockingPool = WatchedPool
