"""A tar of many files becomes stored files, in bounded groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from projects.exceptions import InvalidInput, TooLarge
from runs import blobs
from runs.files.archives import MAX_OUTPUT, BadArchive, RefusedMember, read_tar_gz
from runs.models import Run, StoredFile
from runs.services.files import discard_files, publish

# Files put in place together: they share the forcing of their folder to disk and one statement to the database.
GROUP = 100


@dataclass(slots=True)
class StoredMembers:
    """The files of an archive by their path in it, and the members that were refused."""

    files: dict[str, StoredFile] = field(default_factory=dict)
    refused: list[RefusedMember] = field(default_factory=list)


def store_tar_gz(run: Run, chunks: Iterable[bytes]) -> StoredMembers:
    """Store every file of a gzip-compressed tar, streamed; for AddFiles. Of two members with one path the later counts.

    Raises InvalidInput for an archive that can't be read, TooLarge past the limits, Unavailable when the storage fails;
    nothing of the archive is left behind then.
    """
    result = StoredMembers()
    group: dict[str, blobs.Spooled] = {}
    try:
        for member in read_tar_gz(chunks):
            if isinstance(member, RefusedMember):
                result.refused.append(member)
                continue
            _forget(group.pop(member.path, None))
            group[member.path] = blobs.spool(member.chunks, MAX_OUTPUT)
            if len(group) >= GROUP:
                _publish(run, group, result)
        _publish(run, group, result)
    except BaseException as error:
        for spooled in group.values():
            _forget(spooled)
        discard_files(list(result.files.values()))
        if isinstance(error, BadArchive):
            kind = TooLarge if error.is_too_large else InvalidInput
            raise kind(str(error), code="too_large" if error.is_too_large else "malformed_archive") from error
        raise
    return result


def _publish(run: Run, group: dict[str, blobs.Spooled], result: StoredMembers) -> None:
    files = publish(run, list(group.values()))
    replaced = [result.files[path] for path in group if path in result.files]
    result.files.update(zip(group, files, strict=True))
    group.clear()
    discard_files(replaced)


def _forget(spooled: blobs.Spooled | None) -> None:
    if spooled is not None:
        spooled.path.unlink(missing_ok=True)
