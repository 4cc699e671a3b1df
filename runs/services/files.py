"""Stored files: bytes that arrived, and whether anything refers to them.

A file is stored before the operation that refers to it is applied. Until then, and again when nothing refers to it any
more, `orphaned_at` says since when: what a crash or a refused operation leaves behind is removed by a sweeper.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import BinaryIO

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from projects.exceptions import NotFound, Unavailable
from runs import blobs
from runs.files.media_types import sniff
from runs.models import FileEntry, FileSeriesEntry, Run, StoredFile
from runs.services import processing

MAX_FILE_BYTES = 50 * 1024**3
# How long bytes may lie about without being referred to: time enough to apply the operation they came with.
ORPHAN_GRACE = timedelta(hours=1)


def max_file_bytes() -> int:
    return int(getattr(settings, "MAX_FILE_BYTES", MAX_FILE_BYTES))


def store_bytes(run: Run, chunks: Iterable[bytes], *, limit: int | None = None) -> StoredFile:
    """Store one file, streamed. Call it outside transactions: it takes as long as the bytes take to arrive.

    `limit` is in bytes, 50 GiB unless given. When it returns, the bytes are on disk or confirmed by the object store.
    Raises TooLarge over the limit and Unavailable when the storage fails; nothing is left behind then.
    """
    return publish(run, [blobs.spool(chunks, max_file_bytes() if limit is None else limit)])[0]


def publish(run: Run, spooled: Sequence[blobs.Spooled]) -> list[StoredFile]:
    """Make spooled bytes stored files, in the same order. All or none.

    The rows come first: bytes without a row would be found by nobody, a row without bytes is an orphan that the sweeper
    removes.
    """
    now = timezone.now()
    files = [_new_file(run, piece, now) for piece in spooled]
    try:
        StoredFile.objects.bulk_create(files)
        for file, piece in zip(files, spooled, strict=True):
            blobs.put(piece, file.storage_key)
        blobs.sync_folders(file.storage_key for file in files)
    except BaseException:
        for piece in spooled:
            piece.path.unlink(missing_ok=True)
        blobs.discard(file.storage_key for file in files)
        StoredFile.objects.filter(uuid__in=[file.uuid for file in files]).delete()
        raise
    return files


def _new_file(run: Run, piece: blobs.Spooled, now: datetime) -> StoredFile:
    return StoredFile(
        run=run,
        storage_key=blobs.new_key(run),
        size=piece.size,
        sha256=piece.sha256,
        media_type=sniff(piece.head),
        orphaned_at=now,
    )


def discard_files(files: Sequence[StoredFile]) -> None:
    """Remove files that nothing refers to yet, as far as the storage lets us; the sweeper finds what stays."""
    for file in files:
        with contextlib.suppress(Unavailable):
            blobs.remove([file.storage_key])
            StoredFile.objects.filter(pk=file.pk).delete()


def open_file(file: StoredFile) -> BinaryIO:
    """The bytes as a seekable stream; the caller closes it. Raises Unavailable when the storage fails."""
    return blobs.open_seekable(file.storage_key, file.size)


def read_range(file: StoredFile, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """The bytes from `start` on, `length` of them or all, in pieces. Raises Unavailable at the call when they can't be
    opened, and while iterating when the storage fails midway."""
    return blobs.read(file.storage_key, start, length)


@transaction.atomic
def claim_files(files: Collection[StoredFile]) -> None:
    """Note that operations now refer to these files; call it in their transaction. Claiming twice is claiming once.

    Their bytes count for their runs from now on, and previews or facts are made after the commit. Raises NotFound when
    one is gone because nothing referred to it for too long.
    """
    ids = {file.pk for file in files}
    known = list(StoredFile.objects.select_for_update().filter(pk__in=ids))
    expired = timezone.now() - ORPHAN_GRACE
    if len(known) < len(ids) or any(file.orphaned_at is not None and file.orphaned_at < expired for file in known):
        raise NotFound("The uploaded bytes are gone because nothing referred to them in time; upload them again.")
    claimed = [file for file in known if file.orphaned_at is not None]
    StoredFile.objects.filter(pk__in=[file.pk for file in claimed]).update(orphaned_at=None)
    _add_sizes(claimed, 1)
    processing.schedule(claimed)


@transaction.atomic
def release_files(file_ids: Collection[int]) -> None:
    """Note that entries no longer refer to these files; call it after the entries are gone, in their transaction. Files
    that something else still refers to stay as they are."""
    released = list(unreferenced().select_for_update().filter(pk__in=set(file_ids), orphaned_at__isnull=True))
    StoredFile.objects.filter(pk__in=[file.pk for file in released]).update(orphaned_at=timezone.now())
    _add_sizes(released, -1)


def unreferenced() -> QuerySet[StoredFile]:
    """Files that no attribute refers to."""
    return StoredFile.objects.filter(
        ~Exists(FileEntry.objects.filter(file=OuterRef("pk"))),
        ~Exists(FileSeriesEntry.objects.filter(file=OuterRef("pk"))),
    )


def _add_sizes(files: Iterable[StoredFile], sign: int) -> None:
    sizes: dict[int, int] = defaultdict(int)
    for file in files:
        sizes[file.run_id] += sign * file.size
    for run_id, size in sizes.items():
        Run.objects.filter(pk=run_id).update(size_bytes=F("size_bytes") + size)
