"""Large files that arrive in parts and become one stored file when the sender says that all parts are there."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from projects.exceptions import Conflict, InvalidInput, NotFound, TooLarge
from runs.models import Run, StoredFile, Upload, UploadPart
from runs.services.files import discard_files, max_file_bytes, read_range, store_bytes

EXPIRY = timedelta(hours=24)
MAX_PART_BYTES = 1024**3
MAX_PARTS = 100_000
MAX_RANGE_MISMATCHES = 3

_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{1,15})/(\d{1,15})", re.ASCII)


class RangeMismatch(InvalidInput):
    """The bytes that came are not those that the part's range announced. Worth another try of the whole upload, unless
    `details["repeated"]`: then it happened too often to be an accident."""

    code = "range_mismatch"


def parse_range(text: str) -> tuple[int, int, int]:
    """`bytes=0-4/10` as (first byte, number of bytes, total). Raises InvalidInput for anything else."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise InvalidInput("The range of the part does not look like bytes=FIRST-LAST/TOTAL.", code="malformed_range")
    first, last, total = (int(number) for number in match.groups())
    if not first <= last < total:
        raise InvalidInput("The range of the part does not lie inside the file.", code="malformed_range")
    return first, last - first + 1, total


def start_upload(
    run: Run, *, attribute_path: str, extension: str = "", member_path: str | None = None, total_length: int
) -> Upload:
    """Begin an upload of `total_length` bytes. Raises TooLarge before any byte is accepted."""
    if total_length < 0:
        raise InvalidInput("The length of a file is not negative.")
    if total_length > max_file_bytes():
        limit = max_file_bytes()
        raise TooLarge(f"The file is larger than the limit of {limit} bytes.", limit=limit, got=total_length)
    return Upload.objects.create(
        run=run,
        attribute_path=attribute_path,
        extension=extension,
        member_path=member_path,
        total_length=total_length,
        expires_at=timezone.now() + EXPIRY,
    )


def open_upload(upload_uuid: uuid.UUID | str, run: Run) -> Upload:
    """The upload of this run with that id; NotFound for an expired one, another run's, or no id at all."""
    try:
        identity = upload_uuid if isinstance(upload_uuid, uuid.UUID) else uuid.UUID(upload_uuid)
    except ValueError:
        raise NotFound("There is no such upload.") from None
    upload = Upload.objects.filter(uuid=identity, run=run, expires_at__gt=timezone.now()).first()
    if upload is None:
        raise NotFound("There is no such upload, or it expired.")
    return upload


def write_part(
    upload_uuid: uuid.UUID | str,
    run: Run,
    number: int,
    first_byte: int,
    total: int,
    chunks: Iterable[bytes],
    *,
    length: int | None = None,
) -> None:
    """Store one part; sent again, it replaces what came before. Parts may come in any order.

    `first_byte`, `length` (None: whatever comes) and `total` are what the sender announced. Raises RangeMismatch when
    the received bytes differ from that, Conflict when the upload is finished, NotFound when it expired.
    """
    upload = open_upload(upload_uuid, run)
    if upload.finished_at is not None:
        raise Conflict("The upload is finished; its parts can't be changed any more.")
    if not 0 <= number < MAX_PARTS:
        raise InvalidInput(f"The number of a part is from 0 to {MAX_PARTS - 1}.")
    if total != upload.total_length or first_byte < 0:
        raise _mismatch(upload)
    file = _store_part(upload, chunks, total - first_byte if length is None else length)
    if (length is not None and file.size != length) or first_byte + file.size > total:
        discard_files([file])
        raise _mismatch(upload)
    _note_part(upload, number, first_byte, file)


def _store_part(upload: Upload, chunks: Iterable[bytes], most: int) -> StoredFile:
    """`most` is what fits into the announced range: one byte more and the range is wrong."""
    try:
        return store_bytes(upload.run, chunks, limit=min(max(most, 0), MAX_PART_BYTES))
    except TooLarge:
        if most <= MAX_PART_BYTES:
            raise _mismatch(upload) from None
        raise


def _mismatch(upload: Upload) -> RangeMismatch:
    """Counts the mismatches: a client that starts over at once would otherwise do so for ever."""
    Upload.objects.filter(pk=upload.pk).update(range_mismatches=F("range_mismatches") + 1)
    seen = Upload.objects.filter(run=upload.run, attribute_path=upload.attribute_path).values_list("range_mismatches")
    repeated = sum(count for (count,) in seen) > MAX_RANGE_MISMATCHES
    return RangeMismatch("Length of stream does not match given range", repeated=repeated)


def _note_part(upload: Upload, number: int, first_byte: int, file: StoredFile) -> None:
    replaced: list[StoredFile] = []
    try:
        with transaction.atomic():
            locked = Upload.objects.select_for_update().filter(pk=upload.pk).first()
            if locked is None:
                raise NotFound("There is no such upload, or it expired.")
            if locked.finished_at is not None:
                raise Conflict("The upload is finished; its parts can't be changed any more.")
            before = UploadPart.objects.filter(upload=locked, number=number).select_related("file").first()
            if before is not None:
                replaced.append(before.file)
            UploadPart.objects.update_or_create(
                upload=locked, number=number, defaults={"first_byte": first_byte, "file": file}
            )
    except BaseException:
        discard_files([file])
        raise
    discard_files(replaced)


def finish_upload(upload_uuid: uuid.UUID | str, run: Run) -> StoredFile:
    """Join the parts to one stored file. Finishing again gives the same file.

    Raises Conflict when bytes are missing or parts overlap (they may still be sent), NotFound when the upload expired.
    The bytes are joined before the lock is taken: of two senders that finish at once, one finds the other's result.
    """
    upload = open_upload(upload_uuid, run)
    if upload.finished_at is not None:
        return _finished_file(upload)
    parts = list(upload.parts.select_related("file").order_by("first_byte", "number"))
    _check_complete(upload, parts)
    file = store_bytes(run, _joined(parts), limit=upload.total_length)
    try:
        settled = _settle(upload, file, parts)
    except BaseException:
        discard_files([file])
        raise
    discard_files([part.file for part in parts] if settled == file else [file])
    return settled


def _finished_file(upload: Upload) -> StoredFile:
    if upload.file is None:
        raise NotFound("The uploaded bytes are gone because nothing refers to them any more; upload them again.")
    return upload.file


def _check_complete(upload: Upload, parts: Sequence[UploadPart]) -> None:
    position = 0
    for part in parts:
        if part.first_byte != position:
            problem = "are missing" if part.first_byte > position else "came twice"
            raise Conflict(
                f"Bytes from {min(position, part.first_byte)} to {max(position, part.first_byte)} {problem}.",
                received=sum(each.file.size for each in parts),
                expected=upload.total_length,
            )
        position += part.file.size
    if position != upload.total_length:
        raise Conflict(
            f"{position} of {upload.total_length} bytes have come.", received=position, expected=upload.total_length
        )


def _joined(parts: Iterable[UploadPart]) -> Iterator[bytes]:
    for part in parts:
        yield from read_range(part.file)


def _settle(upload: Upload, file: StoredFile, parts: Sequence[UploadPart]) -> StoredFile:
    """Compare and set: the file becomes the upload's unless it has one already, or a part changed meanwhile."""
    with transaction.atomic():
        locked = Upload.objects.select_for_update(of=("self",)).select_related("file").filter(pk=upload.pk).first()
        if locked is None:
            raise NotFound("There is no such upload, or it expired.")
        if locked.finished_at is not None:
            return _finished_file(locked)
        if set(locked.parts.values_list("file_id", flat=True)) != {part.file_id for part in parts}:
            raise Conflict("A part was sent again while the upload was being finished; finish it again.")
        locked.parts.all().delete()
        locked.file = file
        locked.finished_at = timezone.now()
        locked.save(update_fields=["file", "finished_at"])
        return file


def sweep_uploads() -> int:
    """Forget expired uploads; returns how many. The bytes of their parts go with the other orphans."""
    expired = Upload.objects.filter(expires_at__lte=timezone.now())
    return expired.delete()[1].get("runs.Upload", 0)
