"""Archives as streams: a gzip-compressed tar that comes in, a zip that goes out. Nothing is ever unpacked to disk, and
memory stays flat whatever the sizes."""

from __future__ import annotations

import io
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Self, cast

MAX_MEMBERS = 100_000
MAX_OUTPUT = 2 * 1024**3
MAX_RATIO = 200
# Below this an archive may have any ratio: a few zeros are no attack.
RATIO_FROM = 1024**2
MAX_NAME_HEADER = 64 * 1024
MAX_MEMBER_PATH = 800
PIECE = 256 * 1024

_ALREADY_COMPRESSED = frozenset(
    {"7z", "bz2", "gif", "gz", "jpeg", "jpg", "mp4", "npz", "png", "pt", "webp", "xz", "zip"}
)


class BadArchive(Exception):
    """The archive can't be read; the text says why, for people. `is_too_large` tells a limit from broken bytes."""

    def __init__(self, message: str, *, is_too_large: bool = False) -> None:
        super().__init__(message)
        self.is_too_large = is_too_large


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive. Its bytes must be read before the next member is asked for."""

    path: str
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class RefusedMember:
    """A member that is not taken, and why."""

    path: str
    reason: str


def member_path_problem(path: str) -> str:
    """Why `path` can't be the path of a member of a file set, in words; empty when it can.

    The path is text for us, but whoever unpacks the set elsewhere makes files of it.
    """
    if not path:
        return "The path is empty."
    if path.startswith("/"):
        return "The path is absolute."
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "The path holds a character that is not valid Unicode."
    if size > MAX_MEMBER_PATH:
        return f"The path has {size} bytes; the limit is {MAX_MEMBER_PATH}."
    if any(part in {"", ".", ".."} for part in path.split("/")):
        return "The path has a part that is empty, '.' or '..'."
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "The path holds a control character."
    return ""


def read_tar_gz(stream: Iterable[bytes]) -> Iterator[Member | RefusedMember]:
    """The files of a gzip-compressed tar, one after the other; directories are left out.

    Links, devices and paths that lead elsewhere are refused one by one. Raises BadArchive for broken bytes and past the
    limits: members, bytes that come out (counted, whatever is declared), and their ratio to those that went in.
    """
    unpacked = cast(BinaryIO, io.BufferedReader(_Gunzip(stream), PIECE))
    try:
        with tarfile.open(fileobj=unpacked, mode="r|", tarinfo=_CarefulTarInfo, errorlevel=2) as archive:
            yield from _members(archive)
        while unpacked.read(PIECE):  # to the end, where gzip keeps its checksum
            pass
    except tarfile.TarError as error:
        raise BadArchive(f"The archive can't be read ({error}).") from error


def _members(archive: tarfile.TarFile) -> Iterator[Member | RefusedMember]:
    for count, info in enumerate(archive):
        if count >= MAX_MEMBERS:
            raise BadArchive(f"The archive has more than {MAX_MEMBERS} members.", is_too_large=True)
        archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep them all
        path = info.name.removeprefix("./")
        if info.isdir():
            continue
        if reason := _refusal(info, path):
            yield RefusedMember(path, reason)
            continue
        content = archive.extractfile(info)
        if content is not None:
            yield Member(path, _chunks(content.read))


def _refusal(info: tarfile.TarInfo, path: str) -> str:
    if not info.isreg():
        return "Only plain files are taken, no links or devices."
    return member_path_problem(path)


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while piece := read(PIECE):
        yield piece


_HEADER_TYPES = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)


class _CarefulTarInfo(tarfile.TarInfo):
    """Distrusts what headers declare, where tarfile would fill the memory, go round in circles, or take a broken header
    for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except (tarfile.TruncatedHeaderError, tarfile.InvalidHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError("broken header") from error

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADER_TYPES and self.size > MAX_NAME_HEADER:
            raise tarfile.ReadError("a header that is too long")
        return cast(tarfile.TarInfo, super()._proc_member(archive))  # type: ignore[misc]

    def _block(self, count: int) -> int:
        if count < 0:
            raise tarfile.ReadError("a negative size")
        return cast(int, super()._block(count))  # type: ignore[misc]

    def _refuse_sparse(self, *_: object) -> tarfile.TarInfo:
        raise tarfile.ReadError(f"{self.name} is a sparse file")

    _proc_sparse = _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


class _Gunzip(io.RawIOBase):
    """Unpacks gzip as it is read, a piece at a time, and stops at the limits."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._unpacker = zlib.decompressobj(wbits=31)
        self._packed = b""
        self._taken = self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            data = self._unpack(len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
            if self._unpacker.eof:
                return 0
            if not self._refill():
                raise BadArchive("The archive ends too early.")

    def _refill(self) -> bool:
        if self._packed:
            return True
        self._packed = next(self._chunks, b"")
        self._taken += len(self._packed)
        return bool(self._packed)

    def _unpack(self, size: int) -> bytes:
        try:
            data = self._unpacker.decompress(self._packed, size)
        except zlib.error as error:
            raise BadArchive("The archive is not compressed with gzip, or it is broken.") from error
        self._packed = self._unpacker.unconsumed_tail
        self._given += len(data)
        if self._given > MAX_OUTPUT:
            raise BadArchive(f"The archive holds more than {MAX_OUTPUT} bytes.", is_too_large=True)
        if self._given > RATIO_FROM and self._given > MAX_RATIO * self._taken:
            raise BadArchive(f"The archive grows more than {MAX_RATIO} times when unpacked.", is_too_large=True)
        return data


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A file for a zip. `open` gives its bytes; it is called when its turn comes."""

    path: str
    modified_at: datetime
    open: Callable[[], Iterator[bytes]]


def zip_chunks(entries: Iterable[ZipEntry]) -> Iterator[bytes]:
    """A zip of the entries, piece by piece: an entry "/" first, one "directory/" before the first file in it, files
    without a leading slash. Large files and archives use the 64-bit form."""
    sink = _Sink()
    with zipfile.ZipFile(cast(BinaryIO, sink), "w") as archive:
        archive.writestr(_directory("/"), b"")
        known: set[str] = set()
        for entry in entries:
            path = _safe_path(entry.path)
            for directory in _new_directories(path, known):
                archive.writestr(_directory(directory), b"")
            with archive.open(_file_info(path, entry.modified_at), "w", force_zip64=True) as target:
                for chunk in entry.open():
                    target.write(chunk)
                    yield sink.take()
            yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """What a zip is written to: keeps the bytes until they are taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


def _new_directories(path: str, known: set[str]) -> list[str]:
    new = []
    directory = posixpath.dirname(path)
    while directory and directory not in known:
        known.add(directory)
        new.append(f"{directory}/")
        directory = posixpath.dirname(directory)
    return new[::-1]


def _safe_path(path: str) -> str:
    """The path without anything that could lead out of the folder it is unpacked in, also on systems where a back-slash
    or a colon separates."""
    parts = [part for part in path.replace("\\", "_").replace(":", "_").split("/") if part not in {"", ".", ".."}]
    return "/".join(parts).encode("utf-8", "replace").decode().replace("\x00", "_") or "_"


def _directory(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (0o40755 << 16) | 0x10
    return info


def _file_info(path: str, modified_at: datetime) -> zipfile.ZipInfo:
    earliest, latest = (
        datetime(1980, 1, 1, tzinfo=modified_at.tzinfo),
        datetime(2107, 12, 31, tzinfo=modified_at.tzinfo),
    )
    info = zipfile.ZipInfo(path, min(max(modified_at, earliest), latest).timetuple()[:6])
    info.external_attr = 0o100644 << 16
    is_compressed = path.rpartition(".")[2].lower() in _ALREADY_COMPRESSED
    info.compress_type = zipfile.ZIP_STORED if is_compressed else zipfile.ZIP_DEFLATED
    return info
