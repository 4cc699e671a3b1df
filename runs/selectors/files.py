"""Reading files: of file attributes, file sets and file series; pictures for the gallery; checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, cast

from django.db.models import F, Max, Prefetch, QuerySet, Sum, Value
from django.db.models.functions import Left, StrIndex, Substr

from projects.exceptions import NotFound
from runs import blobs
from runs.files.archives import ZipEntry, zip_chunks
from runs.files.media_types import CHECKPOINTS, with_extension
from runs.models import (
    AttributeDefinition,
    AttributeKind,
    FileEntry,
    FileSeriesEntry,
    JobState,
    ProcessingJob,
    Run,
    StoredFile,
    Thumbnail,
)
from runs.paths import below

MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """A file or directory one level below a directory of a file set. A directory's size is that of all below it."""

    name: str
    size: int
    modified_at: datetime
    is_directory: bool
    entry: FileEntry | None = None


@dataclass(frozen=True, slots=True)
class SeriesImage:
    """One step of a file series. `thumbnails` are by the size they were made for; `problem` says why there are none."""

    step: float
    timestamp_ms: int
    name: str
    description: str
    file: StoredFile
    thumbnails: dict[int, Thumbnail]

    @property
    def width(self) -> int | None:
        return cast(int | None, self.file.facts.get("width"))

    @property
    def height(self) -> int | None:
        return cast(int | None, self.file.facts.get("height"))

    @property
    def problem(self) -> str:
        return str(self.file.facts.get("problem", ""))


@dataclass(frozen=True, slots=True)
class Gallery:
    """`next_step` is where the next page begins; None at the end."""

    images: list[SeriesImage]
    total: int
    next_step: float | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that looks like a checkpoint. `facts` is empty until it was examined; `state` says how far that is, and
    `problem` why it failed."""

    path: str
    entry: FileEntry
    facts: dict[str, object]
    state: str
    problem: str


def media_type_of(entry: FileEntry) -> str:
    """The type to tell a browser: from the bytes, made finer for plain text by the extension."""
    return with_extension(entry.file.media_type, entry.extension)


def file_entry(run: Run, path: str) -> FileEntry:
    """The file of a `file` attribute. Raises NotFound."""
    entry = _entries(run, path, AttributeKind.FILE).first()
    if entry is None:
        raise NotFound(f"There is no file at {path}.")
    return entry


def member_entry(run: Run, path: str, member_path: str) -> FileEntry:
    """A member of a file set. Raises NotFound."""
    entry = _entries(run, path, AttributeKind.FILE_SET).filter(path=member_path).first()
    if entry is None:
        raise NotFound(f"There is no file {member_path} in {path}.")
    return entry


def _entries(run: Run, path: str, kind: AttributeKind) -> QuerySet[FileEntry]:
    # With the definition's id at hand the database finds entries, and pages of them, by one index.
    entries = FileEntry.objects.filter(run=run, definition_id=_definition_id(run, path, kind))
    return entries.select_related("file", "definition")


def _definition_id(run: Run, path: str, kind: AttributeKind) -> int | None:
    definitions = AttributeDefinition.objects.filter(project=run.project_id, path=path, kind=kind)
    return definitions.values_list("pk", flat=True).first()


def file_attributes(run: Run, *, search: str = "", after: str = "", limit: int = 100) -> list[FileEntry]:
    """The files of all `file` attributes, in the order of their paths; `after` is the last path of the page before."""
    entries = FileEntry.objects.filter(run=run, definition__kind=AttributeKind.FILE, definition__path__gt=after)
    if search:
        entries = entries.filter(definition__path__icontains=search)
    ordered = entries.select_related("file", "definition").order_by("definition__path")
    return list(ordered[: min(limit, MAX_PAGE)])


def set_members(run: Run, path: str) -> Iterator[FileEntry]:
    """All members of a file set in the order of their paths, a page at a time: the reader may be slow, and a cursor
    would keep the database from tidying up meanwhile."""
    entries = _entries(run, path, AttributeKind.FILE_SET).order_by("path")
    page = list(entries[:MAX_PAGE])
    while page:
        yield from page
        page = list(entries.filter(path__gt=page[-1].path)[:MAX_PAGE])


def list_directory(run: Run, path: str, inside: str = "") -> list[DirectoryEntry]:
    """One level of a file set: what lies directly in the directory `inside` ("" is the top). Directories come first.

    An unknown directory, like an empty set, gives an empty list.
    """
    inside = inside.strip("/")
    entries = _entries(run, path, AttributeKind.FILE_SET)
    if inside:
        entries = entries.filter(below(inside))
    rest = Substr("path", len(inside) + 2 if inside else 1)
    level = entries.annotate(rest=rest, slash=StrIndex(rest, Value("/")))
    return [*_directories(level), *_files(level)]


def _directories(level: QuerySet[Any]) -> list[DirectoryEntry]:
    """What stands before the next slash, each once, with the sums of what lies below; counted by the database, since a
    set may have a hundred thousand members."""
    named = level.filter(slash__gt=0).order_by().annotate(directory=Left("rest", F("slash") - 1)).values("directory")
    sums = named.annotate(size=Sum("file__size"), newest=Max("file__created_at")).order_by("directory")
    return [DirectoryEntry(each["directory"], each["size"], each["newest"], True) for each in sums]


def _files(level: QuerySet[Any]) -> list[DirectoryEntry]:
    return [
        DirectoryEntry(entry.path.rpartition("/")[2], entry.file.size, entry.file.created_at, False, entry)
        for entry in level.filter(slash=0).order_by("path")
    ]


def zip_of_set(run: Run, path: str) -> Iterator[bytes]:
    """A file set as a zip, streamed."""
    return zip_chunks(
        ZipEntry(entry.path, entry.file.created_at, partial(blobs.read, entry.file.storage_key))
        for entry in set_members(run, path)
    )


def series_entries(run: Run, path: str, *, offset: int = 0, limit: int = 100) -> list[FileSeriesEntry]:
    """Steps of a file series by their place in it."""
    return list(_series(run, path)[offset : offset + min(limit, MAX_PAGE)])


def series_count(run: Run, path: str) -> int:
    return _series(run, path).count()


def gallery(run: Run, path: str, *, from_step: float | None = None, limit: int = 50) -> Gallery:
    """The images of a file series from a step on, by step, with the thumbnails there are."""
    series = _series(run, path)
    page = series if from_step is None else series.filter(step__gte=from_step)
    limit = max(1, min(limit, MAX_PAGE))
    thumbnails = Prefetch("file__thumbnails", queryset=Thumbnail.objects.order_by("size"))
    found = list(page.prefetch_related(thumbnails)[: limit + 1])
    return Gallery(
        images=[_image(entry) for entry in found[:limit]],
        total=series.count(),
        next_step=found[limit].step if len(found) > limit else None,
    )


def _series(run: Run, path: str) -> QuerySet[FileSeriesEntry]:
    definition_id = _definition_id(run, path, AttributeKind.FILE_SERIES)
    entries = FileSeriesEntry.objects.filter(run=run, definition_id=definition_id)
    return entries.select_related("file").order_by("step")


def _image(entry: FileSeriesEntry) -> SeriesImage:
    return SeriesImage(
        step=entry.step,
        timestamp_ms=entry.timestamp_ms,
        name=entry.name,
        description=entry.description,
        file=entry.file,
        thumbnails={thumbnail.size: thumbnail for thumbnail in entry.file.thumbnails.all()},
    )


def checkpoints(run: Run, *, limit: int = 200) -> list[Checkpoint]:
    """The files of a run that look like checkpoints, newest first, with what is known about what they hold."""
    jobs = Prefetch("file__jobs", queryset=ProcessingJob.objects.order_by("-pk"))
    entries = FileEntry.objects.filter(run=run, file__media_type__in=CHECKPOINTS)
    found = entries.select_related("file", "definition").prefetch_related(jobs).order_by("-created_at", "-pk")
    return [_checkpoint(entry) for entry in found[: min(limit, MAX_PAGE)]]


def _checkpoint(entry: FileEntry) -> Checkpoint:
    job = next(iter(entry.file.jobs.all()), None)
    parts: Sequence[str] = (entry.definition.path, entry.path) if entry.path else (entry.definition.path,)
    return Checkpoint(
        path="/".join(parts),
        entry=entry,
        facts=entry.file.facts,
        state=job.state if job else JobState.DONE,
        problem=str(entry.file.facts.get("problem") or (job.error if job else "")),
    )


def images(run: Run, *, limit: int = 200) -> list[FileEntry]:
    """File attributes and members of sets that are pictures, with their thumbnails prefetched."""
    entries = FileEntry.objects.filter(run=run, file__media_type__startswith="image/")
    found = entries.select_related("file", "definition").prefetch_related("file__thumbnails")
    return list(found.order_by("definition__path", "path")[: min(limit, MAX_PAGE)])
