"""An ASGI application that runs a WSGI application on a fixed number of threads.

Django's own ASGI handler takes a new thread, and with it a new database connection, for every request. Here the threads
stay, so each keeps its connection. No thread waits for a slow client: small bodies are gathered by the event loop, and
large bodies and long answers have threads of their own. `docs/decisions/serving.md` has the measurements.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from typing import IO, Any

from tracking_platform.serving.bodies import BUFFERED, BodyReader, Disconnected, LengthRequired, PipedBody, TooSlow
from tracking_platform.serving.environ import wsgi_environ
from tracking_platform.serving.types import Environ, Event, Headers, Receive, Scope, Send, WsgiApplication

logger = logging.getLogger(__name__)

FILE_BLOCK = 256 * 1024
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

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        """WSGI's start_response."""
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    def event(self) -> Event:
        return {"type": "http.response.start", "status": self.status, "headers": self.headers}


class ThreadedBridge:
    """`threads` answer requests; `streams` read large bodies and send long answers."""

    def __init__(self, application: WsgiApplication, *, threads: int, streams: int, spool_folder: str) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._streams = ThreadPoolExecutor(streams, thread_name_prefix="stream")
        self._spool_folder = spool_folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader = BodyReader(scope, receive)
        try:
            answer = await self._answer(scope, reader)
            await self._send(answer, reader, send)
        except Disconnected:
            return
        except TooSlow:
            await _refuse(send, 408, "too_slow", "The request's body arrived too slowly.")
        except LengthRequired:
            await _refuse(send, 411, "length_required", "A body of this size needs a Content-Length header.")

    def close(self) -> None:
        """Wait for the requests in progress."""
        self._threads.shutdown()
        self._streams.shutdown(cancel_futures=True)

    async def _answer(self, scope: Scope, reader: BodyReader) -> Answer:
        head = await reader.gather(BUFFERED)
        loop = asyncio.get_running_loop()
        if reader.is_complete:
            environ = wsgi_environ(scope, BytesIO(head), len(head) if head else None)
            return await loop.run_in_executor(self._threads, self._call, environ)
        if reader.states_length:
            environ = wsgi_environ(scope, PipedBody(head, reader, loop), None)
            return await loop.run_in_executor(self._streams, self._call, environ)
        stream, length = await reader.spool(head, self._spool_folder)
        with stream:
            return await loop.run_in_executor(self._streams, self._call, wsgi_environ(scope, stream, length))

    def _call(self, environ: Environ) -> Answer:
        """Run the application in this thread. A streaming answer is left to be sent block by block."""
        environ["wsgi.file_wrapper"] = FileBlocks
        answer = Answer()
        try:
            blocks = self._application(environ, answer.start)
        except Exception:  # Django answers errors itself; here even that failed
            logger.exception("%s %s could not be answered.", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            return _plain_answer(500, "internal_error", "Something went wrong here. The server's log has the details.")
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
        loop = asyncio.get_running_loop()
        try:
            await _in_time(send(answer.event()))
            await loop.run_in_executor(self._streams, _pump, answer.blocks, send, loop)
        finally:
            await loop.run_in_executor(self._streams, _close, answer.blocks)
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


def _pump(blocks: Iterable[bytes], send: Send, loop: asyncio.AbstractEventLoop) -> None:
    """Send the blocks from this thread, each only after the one before was taken."""
    for block in blocks:
        if not block:
            continue
        event = {"type": "http.response.body", "body": block, "more_body": True}
        asyncio.run_coroutine_threadsafe(_in_time(send(event)), loop).result()


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
