"""Whole bodies that are worked on at once: short ones in memory, long ones in a file that is mapped into it.

A server that can takes the long ones first (`ReceiveFirst`), so that nobody's thread waits for a slow sender.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from api.body import announced_length, iterate_body, too_large
from api.limits import MIB
from projects.exceptions import Unavailable

IN_MEMORY = 4 * MIB
# A longer upload is stored while it arrives, so that it is not written twice.
UPLOAD_RECEIVED_FIRST = 16 * MIB
# Set by a server while the body still arrives; it then understands a ReceiveFirst.
CAN_RECEIVE_FIRST = "tracking_platform.can_receive_first"
# Set by a server whose `wsgi.input` is a file with exactly the body.
IS_WHOLE = "tracking_platform.is_whole"

Body = bytes | mmap.mmap


class ReceiveFirst(HttpResponse):
    """Asks the server to receive the whole body into a file and to send the request again; reaches no client."""

    receives_first = True


def is_arriving(request: HttpRequest, *, limit: int) -> bool:
    """Whether to answer ReceiveFirst; asked for when it is known that the sender may send this. Raises TooLarge."""
    announced = announced_length(request)
    if announced is not None and announced > limit:
        raise too_large(limit, announced)
    return bool(getattr(request, "environ", {}).get(CAN_RECEIVE_FIRST))


def is_arriving_upload(request: HttpRequest) -> bool:
    """As is_arriving, for files, which are received first only when they are short."""
    announced = announced_length(request)
    return announced is not None and announced <= UPLOAD_RECEIVED_FIRST and is_arriving(request, limit=announced)


@contextmanager
def received_body(request: HttpRequest, *, limit: int) -> Iterator[Body]:
    """The whole body, decompressed; over IN_MEMORY bytes it lies on the disk, and memory holds what is looked at.

    Raises as `read_body` does, and Unavailable when the disk is full.
    """
    if (file := _whole_file(request)) is not None:
        yield mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return
    head: list[bytes] = []
    got = 0
    pieces = iterate_body(request, limit=limit)
    for piece in pieces:
        head.append(piece)
        got += len(piece)
        if got > IN_MEMORY:
            break
    else:
        yield b"".join(head)
        return
    with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
        _fill(file, head, pieces)
        yield mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _whole_file(request: HttpRequest) -> IO[bytes] | None:
    """The file that holds this long body as it was sent, if there is one and that is all that is to be done."""
    environ = getattr(request, "environ", {})
    is_plain = request.headers.get("Content-Encoding", "identity").strip().lower() in {"", "identity"}
    if not is_plain or not environ.get(IS_WHOLE) or (announced_length(request) or 0) <= IN_MEMORY:
        return None
    file: IO[bytes] = environ["wsgi.input"]
    return file


def _fill(file: IO[bytes], head: list[bytes], pieces: Iterable[bytes]) -> None:
    try:
        file.writelines(head)
        head.clear()
        for piece in pieces:
            file.write(piece)
        file.flush()
    except OSError as error:
        raise Unavailable("There is no room on the server's disk just now; send it again.") from error
