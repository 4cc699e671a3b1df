"""Removes what nothing needs any more: unreferenced files, abandoned uploads, leftovers of processes that died."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone

from projects.exceptions import Unavailable
from runs import blobs
from runs.models import LogSession, ReceivedBatch, Run, StoredFile, UploadPart
from runs.services.files import ORPHAN_GRACE, unreferenced
from runs.services.previews import keys_of
from runs.services.uploads import sweep_uploads

# Files can't be claimed after their grace, and a little later nobody can be about to claim them either.
MARGIN = timedelta(minutes=10)
TEMPORARY_SECONDS = 3600
BATCH = 200
# As long as a client may send a batch again whose answer it never saw.
BATCH_MEMORY = timedelta(days=1)
BATCHES_AT_ONCE = 5000
SESSION_MEMORY = timedelta(days=2)


def remove_abandoned_uploads() -> int:
    """Forget uploads that were not finished in time, and temporary files of processes that died. Returns how many."""
    return sweep_uploads() + _remove_temporary_files()


def _remove_temporary_files() -> int:
    removed, oldest = 0, time.time() - TEMPORARY_SECONDS
    with blobs.storage_errors("looking for temporary files"):
        for path in blobs.incoming_folder().iterdir():
            if path.lstat().st_mtime < oldest:
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def remove_unreferenced_files() -> int:
    """Remove files that nothing refers to, and the blobs of runs that were deleted. Returns how many files."""
    removed, last_id = 0, 0
    while files := _orphans(last_id):
        last_id = files[-1].pk
        removed += sum(_remove(file) for file in files)
    return removed + _remove_blobs_of_deleted_runs()


def _orphans(after_id: int) -> list[StoredFile]:
    long_ago = timezone.now() - ORPHAN_GRACE - MARGIN
    orphans = unreferenced().filter(
        ~Exists(UploadPart.objects.filter(file=OuterRef("pk"))), orphaned_at__lt=long_ago, pk__gt=after_id
    )
    return list(orphans.order_by("pk")[:BATCH])


def _remove(file: StoredFile) -> bool:
    """Bytes first: a row without bytes is found again, bytes without a row are not."""
    try:
        blobs.remove(keys_of(file))
    except Unavailable:
        return False
    StoredFile.objects.filter(pk=file.pk).delete()
    return True


def _remove_blobs_of_deleted_runs() -> int:
    """Each run's blobs lie in a folder that has its uuid as name, and the run is there before its folder."""
    removed = 0
    with blobs.storage_errors("listing files"):
        folders = {name for name in blobs.folders() if _is_uuid(name)}
    existing = {str(each) for each in Run.objects.filter(uuid__in=folders).values_list("uuid", flat=True)}
    for folder in folders - existing:
        with blobs.storage_errors("listing files"):
            keys = blobs.keys_in(folder)
        blobs.remove(keys)
        blobs.remove_folder(folder)
        removed += len(keys)
    return removed


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def forget_old_batches() -> int:
    """Forget batches that no client will send again. Returns how many.

    Rows are numbered in the order of time, nearly, so the old ones are the first: no index of times is kept for this,
    which every batch would have to pay for.
    """
    forgotten, long_ago = 0, timezone.now() - BATCH_MEMORY
    while True:
        first = ReceivedBatch.objects.order_by("pk").values_list("pk", "received_at")[:BATCHES_AT_ONCE]
        old = [pk for pk, received_at in first if received_at < long_ago]
        if old:
            rows = ReceivedBatch.objects.filter(pk__gte=old[0], pk__lte=old[-1], received_at__lt=long_ago)
            forgotten += rows.delete()[0]
        if len(old) < BATCHES_AT_ONCE:
            return forgotten


def forget_old_sessions() -> int:
    """Forget who logged to runs that nobody writes to any more. Returns how many.

    A session that goes on stays known however long it lasts: forgotten, it would be examined for repetitions as if it
    began.
    """
    long_ago = timezone.now() - SESSION_MEMORY
    return LogSession.objects.filter(opened_at__lt=long_ago, run__touched_at__lt=long_ago).delete()[0]
