"""The WebSocket over which a run's client learns that someone wants it to stop or abort.

The official Neptune clients connect to `/api/notifications/v1/runs/{project uuid}/{run uuid}/signal` and only listen. A
message is `{"type": "neptune/stop" | "neptune/abort", "body": {"seconds": n}}`; white space is a heartbeat.

Requests are rows (RunSignal). While sockets are open, one query a second finds the rows for the runs of this process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.db import DatabaseError, close_old_connections
from django.db.models import Q
from django.utils import timezone

from api.compat.neptune.signals import authorize
from projects.exceptions import DomainError
from runs.models import RunSignal
from tracking_platform.serving.types import Receive, Scope, Send

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

PATH = re.compile(r"/api/notifications/v1/runs/(?P<project>[0-9a-f-]{36})/(?P<run>[0-9a-f-]{36})/signal/?")
POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 10.0
# A request that nobody was there to receive is forgotten: it was not meant for a client that starts much later.
STALE_AFTER = timedelta(minutes=5)


class Listener:
    """One open socket."""

    def __init__(self, run_id: int) -> None:
        self.run_id = run_id
        self.opened_at = timezone.now()
        self.waiting: asyncio.Queue[RunSignal] = asyncio.Queue()
        self._seen: set[int] = set()

    def offer(self, signal: RunSignal) -> None:
        """Queue a signal once, unless it was delivered before this socket opened."""
        is_old_news = signal.delivered_at is not None and signal.created_at < self.opened_at
        if signal.run_id == self.run_id and signal.pk not in self._seen and not is_old_news:
            self._seen.add(signal.pk)
            self.waiting.put_nowait(signal)


class SignalSockets:
    """The ASGI application for that path."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._poller: asyncio.Task[None] | None = None
        self._database = ThreadPoolExecutor(1, thread_name_prefix="signals")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        listener = await self._listener(scope)
        if listener is None:
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        self._add(listener)
        delivery = asyncio.create_task(self._deliver(listener, send))
        try:
            while (await receive())["type"] != "websocket.disconnect":
                pass  # clients have nothing to say here
        finally:
            self._listeners.discard(listener)
            delivery.cancel()

    def close(self) -> None:
        self._database.shutdown(wait=False, cancel_futures=True)

    async def _listener(self, scope: Scope) -> Listener | None:
        """A listener when the address and the credentials are right."""
        match = PATH.fullmatch(scope["path"])
        try:
            project, run = UUID(match["project"]), UUID(match["run"])  # type: ignore[index]
        except (TypeError, ValueError):
            return None
        headers = list(scope["headers"])
        try:
            return await self._in_thread(lambda: Listener(authorize(headers, project, run).pk))
        except DomainError:
            return None
        except DatabaseError:
            logger.exception("A signal socket could not be opened.")
            return None

    def _add(self, listener: Listener) -> None:
        self._listeners.add(listener)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        """Look for new signals while anyone listens."""
        while self._listeners:
            listeners = list(self._listeners)
            runs = {listener.run_id for listener in listeners}
            since = min(listener.opened_at for listener in listeners)
            try:
                signals = await self._in_thread(partial(waiting_signals, runs, since))
            except DatabaseError:
                logger.warning("Signals could not be read; trying again.")
                signals = []
            for signal in signals:
                for listener in listeners:
                    listener.offer(signal)
            await asyncio.sleep(POLL_SECONDS)

    async def _deliver(self, listener: Listener, send: Send) -> None:
        with suppress(OSError):
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        signal = await listener.waiting.get()
                except TimeoutError:
                    await send({"type": "websocket.send", "text": " "})
                    continue
                await send({"type": "websocket.send", "text": message(signal)})
                await self._in_thread(partial(mark_delivered, signal.pk))

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        def with_connection() -> Result:
            close_old_connections()
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._database, with_connection)


def waiting_signals(runs: set[int], since: datetime) -> list[RunSignal]:
    """Signals for these runs that nobody has received, or that came while one of the sockets was open."""
    recent = RunSignal.objects.filter(run_id__in=runs, created_at__gte=timezone.now() - STALE_AFTER)
    return list(recent.filter(Q(delivered_at__isnull=True) | Q(created_at__gte=since)).order_by("id"))


def mark_delivered(signal_id: int) -> None:
    RunSignal.objects.filter(pk=signal_id, delivered_at__isnull=True).update(delivered_at=timezone.now())


def message(signal: RunSignal) -> str:
    """The text frame that the official clients understand."""
    return json.dumps({"type": f"neptune/{signal.kind}", "body": {"seconds": signal.seconds}})
