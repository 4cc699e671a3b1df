"""An ASGI application that runs a WSGI application on a fixed number of threads.

Django's own ASGI handler takes a new thread, and with it a new database connection, for every request. Here the threads
stay, so each keeps its connection. No thread waits for a slow client: small bodies are gathered by the event loop,
large ones have threads of their own or lie in a file first, and a long answer takes a thread only to make its next
block.
`docs/decisions/0005-how-one-origin-is-served.md` has the measurements.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from io import BytesIO
from typing import IO, Any

from api.received import CAN_RECEIVE_FIRST, IS_WHOLE
from api.short_way import ShortWay
from runs.services.ingest import Submitted
from tracking_platform.serving.bodies import (
    BUFFERED,
    SPOOLED_BYTES,
    UNSTATED_LENGTH_LIMIT,
    UNSTATED_SPOOLED_BYTES,
    BodyReader,
    Disconnected,
    DiskFull,
    LengthRequired,
    PipedBody,
    Room,
    TooSlow,
)
from tracking_platform.serving.environ import wsgi_environ
from tracking_platform.serving.lanes import Lanes
from tracking_platform.serving.patience import Patience
from tracking_platform.serving.threads import Threads, Together
from tracking_platform.serving.types import Environ, Event, Headers, Receive, Scope, Send, WsgiApplication

logger = logging.getLogger(__name__)

LARGE = 4 * 1024 * 1024
SHORT = 16 * 1024  # bodies that may be looked at on the event loop
FILE_BLOCK = 256 * 1024
SMALLEST_BLOCK = 64 * 1024
SEND_SECONDS = 30.0  # a client that takes nothing of an answer for so long is dropped


class FileBlocks:
    """`wsgi.file_wrapper`: a file in blocks large enough that handing them over costs little."""

    streaming = True

    def __init__(self, file: IO[bytes], block_size: int = 0) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(FILE_BLOCK), b"")

    def close(self) -> None:
        self._file.close()


class Answer:
    """What the application said: a status, headers, and either the whole body or blocks still to come."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: Headers = []
        self.body = b""
        self.blocks: Iterable[bytes] | None = None
        self.wants_whole_body = False

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        """WSGI's start_response."""
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    def event(self) -> Event:
        return {"type": "http.response.start", "status": self.status, "headers": self.headers}


class ThreadedBridge:
    """`threads` answer requests; `streams` read large bodies, and as many make the blocks of long answers. What those
    hold, a database connection say, they give back with `release` when they have had nothing to do for a while."""

    def __init__(
        self,
        application: WsgiApplication,
        *,
        threads: int,
        streams: int,
        spool_folder: str,
        release: Callable[[], object] = lambda: None,
    ) -> None:
        self._application = application
        self._short_way = application if isinstance(application, ShortWay) else None
        self._threads = Threads(threads, "request")
        # What those who wait wait for must not wait for one of their threads.
        self._apart = Threads(1, "commit", release)
        self._looks = Together(self._threads, application.look_first) if isinstance(application, ShortWay) else None
        self._streams = Threads(streams, "stream", release)
        self._lanes = Lanes(streams, release)
        self._spool_folder = spool_folder
        self._patience = Patience()
        self._room, self._unstated_room = Room(SPOOLED_BYTES), Room(UNSTATED_SPOOLED_BYTES)
        # A body of many megabytes takes memory while it is worked on: one at a time, and no thread waits for that.
        self._large = asyncio.Semaphore(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader = BodyReader(scope, receive, self._patience)
        try:
            answer = await self._answer(scope, reader)
            await self._send(answer, reader, send)
        except Disconnected:
            return
        except TooSlow:
            await _refuse(send, 408, "too_slow", "The request's body arrived too slowly.")
        except LengthRequired:
            await _refuse(send, 411, "length_required", "A body of this size needs a Content-Length header.")
        except DiskFull:
            logger.exception("A body could not be put on the disk.")
            await _refuse(send, 503, "unavailable", "There is no room on the server's disk just now; send it again.")

    def close(self) -> None:
        """Wait for the requests in progress."""
        self._threads.close()
        self._apart.close()
        self._streams.cancel_waiting()
        self._streams.close()
        self._lanes.close()

    async def _answer(self, scope: Scope, reader: BodyReader) -> Answer:
        head = await reader.gather(BUFFERED)
        if reader.is_complete:
            environ = wsgi_environ(scope, BytesIO(head), len(head) if head else None)
            soon = await self._answer_soon(environ) if len(head) <= SHORT else None
            answer: Answer = soon or await self._threads.call(self._call, environ)
            return answer
        loop = asyncio.get_running_loop()
        if not reader.states_length:
            async with self._unstated_room.taken(UNSTATED_LENGTH_LIMIT):
                return await self._answer_whole(scope, reader, head)
        environ = wsgi_environ(scope, PipedBody(head, reader, loop), None)
        environ[CAN_RECEIVE_FIRST] = True
        answer = await self._streams.call(self._call, environ)
        if not answer.wants_whole_body:
            return answer
        async with self._room.taken(reader.stated_length):
            return await self._answer_whole(scope, reader, head)

    async def _answer_soon(self, environ: Environ) -> Answer | None:
        """The answer, if the application has a way to it that takes no thread for each request."""
        if self._short_way is None or self._looks is None:
            return None
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Any] = loop.create_future()

        def when_done(answered: Any) -> None:
            _call_in(loop, _settle, found, answered)

        def in_thread(function: Callable[[], object]) -> None:
            _call_in(loop, self._apart.call, _call_it, function)

        begun = self._short_way.begin(environ, when_done, in_thread)
        if begun is Submitted.LOOK_FIRST:
            await self._looks.call(environ)
            begun = self._short_way.begin(environ, when_done, in_thread)
        if begun is not Submitted.YES or (answered := await found) is None:
            return None
        answer = Answer()
        answer.start(answered.status, answered.headers)
        answer.body = answered.content
        return answer

    async def _answer_whole(self, scope: Scope, reader: BodyReader, head: bytes) -> Answer:
        """Receive the rest of the body into a file, then run the application."""
        async with reader.spooled(head, self._spool_folder) as (stream, length):
            environ = wsgi_environ(scope, stream, length)
            environ[IS_WHOLE] = True
            async with self._large if length > LARGE else nullcontext():
                answer: Answer = await self._streams.call(self._call, environ)
                return answer

    def _call(self, environ: Environ) -> Answer:
        """Run the application in this thread. A streaming answer is left to be sent block by block."""
        environ["wsgi.file_wrapper"] = FileBlocks
        answer = Answer()
        try:
            blocks = self._application(environ, answer.start)
        except Exception:  # Django answers errors itself; here even that failed
            logger.exception("%s %s could not be answered.", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            return _plain_answer(500, "internal_error", "Something went wrong here. The server's log has the details.")
        if getattr(blocks, "receives_first", False):
            _close(blocks)
            answer.wants_whole_body = True
            return answer
        if getattr(blocks, "streaming", False):
            answer.blocks = blocks
            return answer
        try:
            answer.body = b"".join(blocks)
        finally:
            _close(blocks)
        return answer

    async def _send(self, answer: Answer, reader: BodyReader, send: Send) -> None:
        if not reader.is_complete:
            answer.headers.append((b"connection", b"close"))
        if answer.blocks is None:
            await send(answer.event())
            await self._send_body(answer.body, reader, send)
            return
        with self._lanes.enter() as lane:
            try:
                await _in_time(send(answer.event()))
                blocks = iter(answer.blocks)
                while block := await lane.run(partial(_next_block, blocks)):
                    await _in_time(send({"type": "http.response.body", "body": block, "more_body": True}))
            finally:
                await lane.run(partial(_close, answer.blocks))
        with suppress(OSError):
            await send({"type": "http.response.body", "body": b""})

    async def _send_body(self, body: bytes, reader: BodyReader, send: Send) -> None:
        if reader.is_complete:
            await send({"type": "http.response.body", "body": body})
            return
        await send({"type": "http.response.body", "body": body, "more_body": True})
        with suppress(TooSlow, Disconnected):
            await reader.drain()
        await send({"type": "http.response.body", "body": b""})


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: Any) -> None:
    """Have the loop call the function, from any thread. When the server has ended meanwhile, nobody waits for it."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


def _call_it(function: Callable[[], object]) -> object:
    return function()


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():  # the client went away
        future.set_result(result)


def _next_block(blocks: Iterator[bytes]) -> bytes:
    """What is sent next; empty at the end. Small pieces are put together, since handing over costs the same for all."""
    first = next((block for block in blocks if block), b"")
    if not first or len(first) >= SMALLEST_BLOCK:
        return first
    gathered = bytearray(first)
    for block in blocks:
        gathered += block
        if len(gathered) >= SMALLEST_BLOCK:
            break
    return bytes(gathered)


async def _in_time(sending: Any) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await sending
    except TimeoutError:
        raise Disconnected("The client takes nothing of the answer.") from None


def _close(blocks: Iterable[bytes]) -> None:
    if close := getattr(blocks, "close", None):
        close()


def _plain_answer(status: int, code: str, message: str) -> Answer:
    answer = Answer()
    answer.status, answer.body = status, json.dumps({"code": code, "message": message}).encode()
    answer.headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.body))]
    return answer


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    answer = _plain_answer(status, code, message)
    answer.headers.append((b"connection", b"close"))
    with suppress(OSError):
        await send(answer.event())
        await send({"type": "http.response.body", "body": answer.body})
