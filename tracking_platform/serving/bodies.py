"""Request bodies on their way from the event loop to a thread.

A body that fits BUFFERED is gathered before a thread is taken. A longer one with a stated length is piped: the
application reads while it arrives, or, once it knows that the sender may send this, asks for the whole of it in a
temporary file, so that no thread waits for a slow sender. A longer one without a length goes to a temporary file in any
case, because Django takes a request without CONTENT_LENGTH for one without a body.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from io import BytesIO
from typing import IO

from tracking_platform.serving.patience import Patience
from tracking_platform.serving.types import Receive, Scope

BUFFERED = 1024 * 1024
UNSTATED_LENGTH_LIMIT = 150 * 1024 * 1024
# Disk that bodies may take while they are received: those whose senders are known, and those without a length, whose
# senders are not.
SPOOLED_BYTES = 2 * 1024**3
UNSTATED_SPOOLED_BYTES = 8 * UNSTATED_LENGTH_LIMIT
DRAINED = 16 * 1024 * 1024
GRACE_SECONDS = 20.0
SLOWEST_BYTES_PER_SECOND = 1024


class TooSlow(Exception):
    """The client sends less than SLOWEST_BYTES_PER_SECOND after GRACE_SECONDS."""


class LengthRequired(Exception):
    """The body has no stated length and is over UNSTATED_LENGTH_LIMIT."""


class DiskFull(Exception):
    """A body could not be written into its temporary file."""


class Disconnected(OSError):
    """The client went away before its body was complete."""


class Room:
    """So many bytes of disk. Whoever finds too few left waits, in the order of coming; its sender waits with it."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, amount: int) -> AsyncIterator[None]:
        amount = min(amount, self._size)
        await self._take(amount)
        try:
            yield
        finally:
            self._left += amount
            self._let_in()

    async def _take(self, amount: int) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, place))
        self._let_in()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._left += amount
            self._let_in()
            raise

    def _let_in(self) -> None:
        while self._waiting:
            amount, place = self._waiting[0]
            if not place.done():
                if amount > self._left:
                    return
                self._left -= amount
                place.set_result(None)
            self._waiting.popleft()


class BodyReader:
    """One request's body, read on the event loop, with the slowest pace allowed."""

    def __init__(self, scope: Scope, receive: Receive, patience: Patience) -> None:
        headers = dict(scope["headers"])
        self.stated_length = _length(headers.get(b"content-length"))
        self.states_length = b"content-length" in headers
        # Without either header there is no body, and waiting for one costs more than looking.
        self.is_complete = not self.states_length and b"transfer-encoding" not in headers
        # Asking for the end of a short body of which nothing is left costs as much as asking for the body.
        is_short = self.stated_length <= BUFFERED and b"transfer-encoding" not in headers
        self._ends_at = self.stated_length if is_short else 0
        self._receive = receive
        self._patience = patience
        self._started = time.monotonic()
        self._got = 0

    async def chunk(self) -> bytes:
        """The next bytes; empty at the end. Raises TooSlow or Disconnected."""
        if self.is_complete:
            return b""
        allowed = self._started + GRACE_SECONDS + self._got / SLOWEST_BYTES_PER_SECOND - time.monotonic()
        try:
            event = await self._patience.wait(self._receive(), max(0.0, min(allowed, GRACE_SECONDS)))
        except TimeoutError:
            raise TooSlow from None
        if event["type"] != "http.request":
            raise Disconnected("The client went away before its body was complete.")
        chunk: bytes = event.get("body", b"")
        self._got += len(chunk)
        self.is_complete = not event.get("more_body", False) or 0 < self._ends_at <= self._got
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

    @asynccontextmanager
    async def spooled(self, head: bytes, folder: str) -> AsyncIterator[tuple[IO[bytes], int]]:
        """The whole body, of which `head` was read, as a temporary file, and its length. LengthRequired when none was
        stated and it is over the limit."""
        length, piece = 0, head
        with tempfile.TemporaryFile(dir=folder) as stream:
            while piece:
                length += len(piece)
                if not self.states_length and length > UNSTATED_LENGTH_LIMIT:
                    raise LengthRequired
                await asyncio.to_thread(_write, stream, piece)
                piece = await self.gather(BUFFERED)
            stream.seek(0)
            yield stream, length

    async def drain(self) -> None:
        """Read and forget what is left, within limits: a client that still sends would miss the answer."""
        left = DRAINED
        while left > 0 and not self.is_complete:
            left -= len(await self.chunk())


def _write(stream: IO[bytes], piece: bytes) -> None:
    try:
        stream.write(piece)
        stream.flush()
    except OSError as error:
        raise DiskFull from error


def _length(header: bytes | None) -> int:
    return int(header) if header is not None and header.isdigit() and len(header) < 19 else 0


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
