"""Bytes in Django's default storage: a folder of the server or an object store. Nothing else opens stored bytes.

Keys are made by the server (`<run uuid>/<random>`), never from what people called a file. Bytes are first spooled to a
private temporary file, with digest and size taken on the way, and put in place under their key when they are complete:
a reader never sees half a blob, and memory stays flat whatever the size.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from projects.exceptions import DomainError, TooLarge, Unavailable
from runs.models import Run

logger = logging.getLogger(__name__)

INCOMING_FOLDER = ".incoming"  # beside the blobs, so that putting one in place is a rename
READ_SIZE = 256 * 1024
HEAD_SIZE = 4096


@dataclass(frozen=True, slots=True)
class Spooled:
    """Complete bytes in a temporary file, not yet in the storage. `head` is their beginning."""

    path: Path
    size: int
    sha256: str
    head: bytes


def new_key(run: Run) -> str:
    return f"{run.uuid}/{secrets.token_hex(16)}"


def storage() -> Storage:
    return storages["default"]


def incoming_folder() -> Path:
    """The private folder of temporary files; made when missing."""
    backend = storage()
    if isinstance(backend, FileSystemStorage):
        folder = Path(backend.location) / INCOMING_FOLDER
    else:
        folder = Path(settings.FILE_UPLOAD_TEMP_DIR) / "incoming"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Turn whatever the storage raises (each backend has its own exceptions) into Unavailable: the sender may retry."""
    try:
        yield
    except DomainError:
        raise
    except Exception as error:
        logger.exception("The file storage failed while %s", doing)
        raise Unavailable("The file storage is full or does not answer; try again later.") from error


def spool(chunks: Iterable[bytes], limit: int) -> Spooled:
    """Write `chunks` to a temporary file, forced to disk. Raises TooLarge past `limit` bytes, Unavailable when the disk
    fails; what the iterable itself raises goes through. Nothing is left behind in any of these cases."""
    with storage_errors("making a temporary file"):
        descriptor, name = tempfile.mkstemp(dir=incoming_folder())
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            return _write(stream, path, chunks, limit)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write(stream: IO[bytes], path: Path, chunks: Iterable[bytes], limit: int) -> Spooled:
    digest, size, head = hashlib.sha256(), 0, b""
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"The file is larger than the limit of {limit} bytes.", limit=limit, got=size)
        if len(head) < HEAD_SIZE:
            head += chunk[: HEAD_SIZE - len(head)]
        digest.update(chunk)
        with storage_errors("writing a temporary file"):
            stream.write(chunk)
    with storage_errors("writing a temporary file"):
        stream.flush()
        os.fsync(stream.fileno())
    return Spooled(path, size, digest.hexdigest(), head)


def put(spooled: Spooled, key: str) -> None:
    """Make spooled bytes a blob; `sync_folders` completes it. The temporary file is gone afterwards in any case."""
    try:
        with storage_errors("storing a file"):
            backend = storage()
            if isinstance(backend, FileSystemStorage):
                _rename(backend, spooled.path, key)
            else:
                _save(backend, spooled.path, key)
    finally:
        spooled.path.unlink(missing_ok=True)


def replace(key: str, data: bytes) -> None:
    """Store small bytes that can be made again under a key that may be taken."""
    spooled = spool([data], len(data))
    if not isinstance(storage(), FileSystemStorage):
        remove([key])  # object stores are set never to overwrite
    put(spooled, key)
    sync_folders([key])


def _rename(backend: FileSystemStorage, source: Path, key: str) -> None:
    target = Path(backend.path(key))
    if not target.parent.is_dir():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_folder(target.parent.parent)
    source.chmod(backend.file_permissions_mode or 0o600)
    source.replace(target)


def _save(backend: Storage, source: Path, key: str) -> None:
    with source.open("rb") as stream:
        name = backend.save(key, File(stream, name=key))
    if name != key:  # the storage found the random name taken and made another one
        backend.delete(name)
        raise OSError(f"The storage did not take the key {key}.")


def sync_folders(keys: Iterable[str]) -> None:
    """Force the names of new blobs to disk. An object store has no need of it."""
    backend = storage()
    if isinstance(backend, FileSystemStorage):
        with storage_errors("storing a file"):
            for folder in {Path(backend.path(key)).parent for key in keys}:
                _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(keys: Iterable[str]) -> None:
    """Delete blobs; absent ones are no error. Raises Unavailable when the storage fails."""
    backend = storage()
    for key in keys:
        with storage_errors("removing a file"):
            backend.delete(key)


def folders() -> list[str]:
    """The first parts of all keys: the uuids of the runs that have blobs."""
    backend = storage()
    if isinstance(backend, FileSystemStorage) and not Path(backend.location).is_dir():
        return []
    return list(backend.listdir("")[0])


def keys_in(folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in storage().listdir(folder)[1]]


def remove_folder(folder: str) -> None:
    """Remove an empty folder of the disk; an object store has none."""
    backend = storage()
    if isinstance(backend, FileSystemStorage):
        with contextlib.suppress(OSError):
            Path(backend.path(folder)).rmdir()


def discard(keys: Iterable[str]) -> None:
    """Delete blobs as far as possible, while another error is on its way up."""
    for key in keys:
        with contextlib.suppress(Unavailable):
            remove([key])


def read(key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """The bytes of a blob from `start` on, `length` of them or all, in pieces of at most READ_SIZE.

    The blob is opened at once, so that errors come before the first piece (and before an answer's headers are sent).
    """
    with storage_errors("opening a file"):
        stream = _open_from(key, start, length)
    return _pieces(stream, length)


def _pieces(stream: IO[bytes], length: int | None) -> Iterator[bytes]:
    remaining = length
    with contextlib.closing(stream):
        while remaining is None or remaining > 0:
            with storage_errors("reading a file"):
                piece = stream.read(READ_SIZE if remaining is None else min(READ_SIZE, remaining))
            if not piece:
                return
            if remaining is not None:
                remaining -= len(piece)
            yield piece


def _open_from(key: str, start: int, length: int | None) -> IO[bytes]:
    """A stream that begins at `start`. Object stores are asked for the range: their Django file would fetch it all."""
    backend: Any = storage()
    if hasattr(backend, "bucket"):
        if length == 0:
            return io.BytesIO()
        end = "" if length is None else str(start + length - 1)
        ranged = {"Range": f"bytes={start}-{end}"} if start or length is not None else {}
        return cast(IO[bytes], backend.bucket.Object(backend._normalize_name(key)).get(**ranged)["Body"])
    stream = backend.open(key, "rb")
    stream.seek(start)
    return cast(IO[bytes], stream)


class _Seekable(io.RawIOBase):
    """A blob as a seekable file that asks the storage only for the ranges that are read."""

    def __init__(self, key: str, size: int) -> None:
        self._key, self._size, self._position = key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        data = b"".join(read(self._key, self._position, length))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def open_seekable(key: str, size: int) -> BinaryIO:
    """A blob for code that jumps around in it (archives, images)."""
    backend = storage()
    if isinstance(backend, FileSystemStorage):
        with storage_errors("opening a file"):
            return cast(BinaryIO, backend.open(key, "rb"))
    return cast(BinaryIO, io.BufferedReader(_Seekable(key, size), READ_SIZE))
