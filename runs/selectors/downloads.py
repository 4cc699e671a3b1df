"""What a download of a stored file needs besides its bytes."""

from __future__ import annotations

from runs.models import FileEntry, FileSeriesEntry, StoredFile, Thumbnail


def download_name(file: StoredFile, entry_id: int | None = None) -> str:
    """The name a download gets: that of the link `entry_id`, else of the first link to the file; empty without any."""
    entries = FileEntry.objects.filter(file=file)
    if entry_id is not None:
        entries = entries.filter(pk=entry_id)
    entry = entries.order_by("pk").first()
    if entry is not None:
        return _with_extension(entry.name, entry.extension)
    point = FileSeriesEntry.objects.select_related("definition").filter(file=file).order_by("pk").first()
    if point is None:
        return ""
    series = point.definition.path.rsplit("/", 1)[-1]
    return _with_extension(f"{series}-{point.step:g}", file.media_type.rpartition("/")[2])


def _with_extension(name: str, extension: str) -> str:
    has_it = not extension or not extension.isalnum() or name.lower().endswith(f".{extension.lower()}")
    return name if has_it else f"{name}.{extension}"


def find_thumbnail(file: StoredFile, size: int) -> Thumbnail | None:
    """The small version of an image that was made for `size`, if there is one yet."""
    return Thumbnail.objects.filter(file=file, size=size).first()
