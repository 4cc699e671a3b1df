"""Bounds on what reading a user's file may cost."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class LimitExceeded(Exception):
    """Reading on would cost too much; the text says what of, for people."""


class Deadline:
    """Time that work may take, checked now and then."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._end = seconds, time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() > self._end:
            raise LimitExceeded(f"reading it takes longer than {self._seconds:g} seconds")


class LimitedReader:
    """A binary file of which no single read takes more than `most` bytes into memory, nor all together `total`.

    Formats name the lengths of their parts; a hostile file names a length that fills the memory.
    """

    def __init__(self, stream: BinaryIO, most: int, total: int) -> None:
        self._stream, self._most, self._left = stream, most, total

    def read(self, size: int | None = -1) -> bytes:
        wanted = self._most + 1 if size is None or size < 0 else size
        data = self._stream.read(wanted) if wanted <= self._most + 1 else None
        if data is None or len(data) > self._most:
            raise LimitExceeded(f"it holds a part of more than {self._most} bytes")
        return self._count(data)

    def readline(self, size: int = -1) -> bytes:
        return self._count(self._stream.readline(self._most if size < 0 else min(size, self._most)))

    def _count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise LimitExceeded("it holds more than can be looked at")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


@contextlib.contextmanager
def memory_limit(extra: int) -> Iterator[None]:
    """Let this process take at most `extra` bytes of memory more than now: past that a MemoryError comes, before the
    machine runs out. Works where /proc tells the present size (Linux); elsewhere it does nothing."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = pages * resource.getpagesize() + extra
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
