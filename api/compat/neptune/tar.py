"""Reading the gzip-compressed tars in which the clients send packages of small files."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, cast

from projects.exceptions import InvalidInput, TooLarge

MAX_MEMBERS = 100_000
MAX_UNPACKED_BYTES = 2 * 1024**3
MAX_PATH_CHARACTERS = 1024
_PIECE = 256 * 1024
_MAX_HEADER_BYTES = 64 * 1024
_HEADER_TYPES = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}


class BadArchive(InvalidInput):
    """The bytes are not a whole gzip-compressed tar."""

    code = "bad_archive"


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file (read `pieces` before asking for the next member), or the `problem` why one was left out."""

    path: str
    pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    problem: str = ""


class _Body:
    """Pieces of a request's body as a file that can only be read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


class _Unpacked:
    """The decompressed stream, which may not grow beyond MAX_UNPACKED_BYTES."""

    def __init__(self, body: _Body) -> None:
        self._gzip = gzip.GzipFile(fileobj=cast(IO[bytes], body), mode="rb")
        self._total = 0

    def read(self, size: int) -> bytes:
        piece = self._gzip.read(size)
        self._total += len(piece)
        if self._total > MAX_UNPACKED_BYTES:
            raise TooLarge(f"The archive unpacks to more than {MAX_UNPACKED_BYTES} bytes.", limit=MAX_UNPACKED_BYTES)
        return piece


class _BoundedTarInfo(tarfile.TarInfo):
    """Refuses headers that tarfile would load into memory whatever their size."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _HEADER_TYPES and self.size > _MAX_HEADER_BYTES:
            raise tarfile.HeaderError("a header of the archive is too large")
        return super()._proc_member(archive)  # type: ignore[misc]


def read_members(chunks: Iterable[bytes]) -> Iterator[Member]:
    """The members of an archive one by one, without unpacking it anywhere. Directories are passed over.

    Links, devices and paths that lead out of the file set become members with a problem. Raises BadArchive for bytes
    that are no archive and TooLarge for one that unpacks to too much.
    """
    body = _Body(chunks)
    stream = _Unpacked(body)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|", tarinfo=_BoundedTarInfo) as archive:
            for number, info in enumerate(archive):
                if number >= MAX_MEMBERS:
                    raise TooLarge(f"The archive has more than {MAX_MEMBERS} members.", limit=MAX_MEMBERS)
                if not info.isdir():
                    yield _member(archive, info)
                archive.members.clear()  # type: ignore[attr-defined]  # tarfile would remember all of them
        while stream.read(_PIECE):  # up to the checksum, which stands at the end
            pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, RecursionError) as error:
        raise BadArchive("The bytes are not a whole gzip-compressed tar.") from error
    finally:
        while body.read(_PIECE):  # a request is read to its end, whatever it holds
            pass


def _member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    if not info.isreg():
        return Member(info.name[:200], problem=f"{info.name[:200]} is not a regular file and was left out.")
    problem = member_problem(info.name)
    content = archive.extractfile(info)
    if problem or content is None:
        return Member(info.name[:200], problem=problem)
    return Member(clean_member_path(info.name), pieces=iter(lambda: content.read(_PIECE), b""))


def clean_member_path(path: str) -> str:
    """The path without a leading './'."""
    return path.removeprefix("./")


def member_problem(path: str) -> str:
    """Why a path can't be that of a member of a file set, in words; empty when it can."""
    shown = path[:200].encode(errors="replace").decode()
    if len(path) > MAX_PATH_CHARACTERS:
        return f"The path {shown}… has more than {MAX_PATH_CHARACTERS} characters; the file was left out."
    if not path or any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in path):
        return f"The path {shown!r} holds characters that a path can't have; the file was left out."
    parts = clean_member_path(path).split("/")
    if path.startswith("/") or any(part in {"", ".", ".."} for part in parts) or "\\" in path:
        return f"The path {shown} would lead out of the file set; the file was left out."
    return ""
