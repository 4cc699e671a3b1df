"""Request bodies on their way from the event loop to a thread.

A body that fits BUFFERED is gathered before a thread is taken. A longer one with a stated length is piped: the
application reads while it arrives. A longer one without a length goes to a temporary file first, because Django takes
a request without CONTENT_LENGTH for one without a body.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from concurrent.futures import CancelledError
from io import BytesIO
from typing import IO

from tracking_platform.serving.types import Receive, Scope

BUFFERED = 1024 * 1024
UNSTATED_LENGTH_LIMIT = 64 * 1024 * 1024
DRAINED = 16 * 1024 * 1024
GRACE_SECONDS = 20.0
SLOWEST_BYTES_PER_SECOND = 1024


class TooSlow(Exception):
    """The client sends less than SLOWEST_BYTES_PER_SECOND after GRACE_SECONDS."""


class LengthRequired(Exception):
    """The body has no stated length and is over UNSTATED_LENGTH_LIMIT."""


class Disconnected(OSError):
    """The client went away before its body was complete."""


class BodyReader:
    """One request's body, read on the event loop, with the slowest pace allowed."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        self.states_length = b"content-length" in headers
        # Without either header there is no body, and waiting for one costs more than looking.
        self.is_complete = not self.states_length and b"transfer-encoding" not in headers
        self._receive = receive
        self._started = time.monotonic()
        self._got = 0

    async def chunk(self) -> bytes:
        """The next bytes; empty at the end. Raises TooSlow or Disconnected."""
        if self.is_complete:
            return b""
        allowed = self._started + GRACE_SECONDS + self._got / SLOWEST_BYTES_PER_SECOND - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(allowed, GRACE_SECONDS))):
                event = await self._receive()
        except TimeoutError:
            raise TooSlow from None
        if event["type"] != "http.request":
            raise Disconnected("The client went away before its body was complete.")
        self.is_complete = not event.get("more_body", False)
        chunk: bytes = event.get("body", b"")
        self._got += len(chunk)
        return chunk

    async def gather(self, limit: int) -> bytes:
        """Bytes until the end or until `limit` is passed."""
        first = await self.chunk()
        if self.is_complete:
            return first
        gathered = bytearray(first)
        while not self.is_complete and len(gathered) <= limit:
            gathered += await self.chunk()
        return bytes(gathered)

    async def spool(self, head: bytes, folder: str) -> tuple[IO[bytes], int]:
        """The whole body as a temporary file and its length; LengthRequired when it is over the limit."""
        stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - handed to the application, closed by the caller
        length = len(head)
        await asyncio.to_thread(stream.write, head)
        while not self.is_complete:
            chunk = await self.chunk()
            length += len(chunk)
            if length > UNSTATED_LENGTH_LIMIT:
                stream.close()
                raise LengthRequired
            await asyncio.to_thread(stream.write, chunk)
        stream.seek(0)
        return stream, length

    async def drain(self) -> None:
        """Read and forget what is left, within limits: a client that still sends would miss the answer."""
        left = DRAINED
        while left > 0 and not self.is_complete:
            left -= len(await self.chunk())


class PipedBody:
    """`wsgi.input` for a body that still arrives; read by the application's thread."""

    def __init__(self, head: bytes, reader: BodyReader, loop: asyncio.AbstractEventLoop) -> None:
        self._buffer = BytesIO(head)
        self._reader = reader
        self._loop = loop

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(BUFFERED), b""))
        pieces = []
        while size > 0 and (piece := self._some(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def readline(self, size: int = -1) -> bytes:
        line = bytearray()
        while size < 0 or len(line) < size:
            byte_or_rest = self._buffer.readline() if size < 0 else self._buffer.readline(size - len(line))
            line += byte_or_rest
            if line.endswith(b"\n") or (not byte_or_rest and not self._refill()):
                break
        return bytes(line)

    def _some(self, size: int) -> bytes:
        return self._buffer.read(size) or (self._buffer.read(size) if self._refill() else b"")

    def _refill(self) -> bool:
        """Fetch the next bytes from the event loop; False at the end of the body."""
        while not self._reader.is_complete:
            future = asyncio.run_coroutine_threadsafe(self._reader.chunk(), self._loop)
            try:
                chunk = future.result()
            except (TooSlow, CancelledError) as error:
                raise Disconnected("The body stopped arriving.") from error
            if chunk:
                self._buffer = BytesIO(chunk)
                return True
        return False
