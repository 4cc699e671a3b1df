"""A file set as a zip archive, made while it is sent: neither memory nor disk holds it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import IO, cast

from runs.models import FileEntry
from runs.paths import parents
from runs.services.files import read_range

_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)  # zip knows no time before


class _Sink:
    """Collects what the archive writes until it is sent."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to do; zipfile calls it."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def zip_pieces(entries: Iterable[FileEntry]) -> Iterator[bytes]:
    """The archive in pieces: an entry `/`, one for each directory, and the files without a leading slash."""
    sink = _Sink()
    seen = {"/"}
    with zipfile.ZipFile(cast(IO[bytes], sink), "w", allowZip64=True) as archive:
        archive.writestr(_info("/", _EARLIEST), b"")
        for entry in entries:
            for folder in parents(entry.path):
                if f"{folder}/" not in seen:
                    seen.add(f"{folder}/")
                    archive.writestr(_info(f"{folder}/", entry.created_at), b"")
            with archive.open(_info(entry.path, entry.created_at), "w", force_zip64=True) as member:
                for piece in read_range(entry.file):
                    member.write(piece)
                    yield sink.take()
    yield sink.take()


def _info(name: str, moment: datetime) -> zipfile.ZipInfo:
    moment = max(moment, _EARLIEST)
    info = zipfile.ZipInfo(name, (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second))
    info.external_attr = (0o40755 << 16 | 0x10) if name.endswith("/") else 0o100644 << 16
    return info
