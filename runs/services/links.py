"""What attributes refer to besides plain values: tags and files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from django.db.models import Count, Max, Q, QuerySet, Sum

from runs.models import Attribute, AttributeTag, FileEntry, FileSeriesEntry, Run, StoredFile
from runs.operations import AddFiles, AssignFile, DeleteFiles, FilePoint
from runs.paths import below
from runs.services.files import claim_files, release_files
from runs.services.plan import PathPlan

_PATHS_AT_ONCE = 100


def write_tags(run: Run, definition_id: int, plan: PathPlan) -> None:
    """Apply the batch's changes to a string set."""
    tags = AttributeTag.objects.filter(run=run, definition_id=definition_id)
    if plan.clears_tags:
        tags.delete()
    removed = [tag for tag, is_added in plan.tags.items() if not is_added]
    if removed:
        tags.filter(tag__in=removed).delete()
    AttributeTag.objects.bulk_create(
        [
            AttributeTag(run=run, definition_id=definition_id, tag=tag)
            for tag, is_added in plan.tags.items()
            if is_added
        ],
        ignore_conflicts=True,
    )


def write_file(run: Run, definition_id: int, operation: AssignFile) -> None:
    """Set a file attribute; the file it held before is released."""
    name = operation.name or file_name(operation.path, operation.extension)
    before = FileEntry.objects.filter(run=run, definition_id=definition_id, path="").first()
    if before is not None and before.file_id == operation.file.pk:
        return
    claim_files([operation.file])
    FileEntry.objects.update_or_create(
        run=run,
        definition_id=definition_id,
        path="",
        defaults={"name": name, "extension": operation.extension, "file": operation.file},
    )
    if before is not None:
        release_files([before.file_id])
    Attribute.objects.filter(run=run, definition_id=definition_id).update(
        text=name[:256], number=float(operation.file.size), count=1
    )


def file_name(path: str, extension: str) -> str:
    """The name a download gets: the last part of the attribute's path, with the extension unless it has it already."""
    last = path.rsplit("/", 1)[-1]
    return f"{last}.{extension}" if extension and not last.endswith(f".{extension}") else last


def write_members(run: Run, definition_id: int, operations: Sequence[AddFiles | DeleteFiles]) -> None:
    """Change a file set, in the order of the operations."""
    entries = FileEntry.objects.filter(run=run, definition_id=definition_id)
    released: list[int] = []
    for operation in operations:
        for removed in _replaced(entries, operation):
            released += removed.values_list("file_id", flat=True)
            removed.delete()
        if isinstance(operation, AddFiles):
            _add_members(run, definition_id, operation)
    release_files(released)
    size = entries.aggregate(count=Count("id"), size=Sum("file__size"))
    Attribute.objects.filter(run=run, definition_id=definition_id).update(
        count=size["count"], number=float(size["size"] or 0)
    )


def _replaced(entries: QuerySet[FileEntry], operation: AddFiles | DeleteFiles) -> Iterator[QuerySet[FileEntry]]:
    """The members that an operation removes, a hundred paths at a time: the database limits how long a condition is."""
    if isinstance(operation, AddFiles) and operation.reset:
        yield entries.all()
        return
    paths = list(operation.members if isinstance(operation, AddFiles) else operation.member_paths)
    for start in range(0, len(paths), _PATHS_AT_ONCE):
        some = paths[start : start + _PATHS_AT_ONCE]
        condition = Q(path__in=some)
        if isinstance(operation, DeleteFiles):  # a path may name a directory with all below it
            for path in some:
                condition |= below(path.rstrip("/"))
        yield entries.filter(condition)


def _add_members(run: Run, definition_id: int, operation: AddFiles) -> None:
    claim_files(list(operation.members.values()))
    FileEntry.objects.bulk_create(
        [
            FileEntry(
                run=run,
                definition_id=definition_id,
                path=path,
                name=path.rsplit("/", 1)[-1],
                extension=extension_of(path),
                file=file,
            )
            for path, file in operation.members.items()
        ],
        batch_size=500,
    )


def extension_of(path: str) -> str:
    """The part behind the last dot of a file's name; empty for none, and for one that is too long to be one."""
    stem, dot, extension = path.rsplit("/", 1)[-1].rpartition(".")
    return extension if dot and stem and len(extension) <= 64 else ""


def append_files(run: Run, definition_id: int, points: Sequence[FilePoint]) -> None:
    """Add files to a series. As for other series: no step means the next one, the last file of a step wins, and a file
    that is sent again (same timestamp and bytes) is not added twice."""
    entries = FileSeriesEntry.objects.filter(run=run, definition_id=definition_id)
    last_step = entries.aggregate(last=Max("step"))["last"]
    next_step = 0.0 if last_step is None else last_step + 1
    known = Counter(
        entries.filter(timestamp_ms__in={point.timestamp for point in points}).values_list(
            "timestamp_ms", "file__sha256"
        )
    )
    by_step: dict[float, FilePoint] = {}
    for point in points:
        identity = (point.timestamp, point.file.sha256)
        if known[identity]:
            known[identity] -= 1
            continue
        step = next_step if point.step is None else round(point.step, 6) + 0.0
        by_step[step] = point
        next_step = max(next_step, step + 1)
    _replace_series_entries(run, definition_id, by_step)


def _replace_series_entries(run: Run, definition_id: int, by_step: dict[float, FilePoint]) -> None:
    entries = FileSeriesEntry.objects.filter(run=run, definition_id=definition_id)
    replaced = entries.filter(step__in=list(by_step))
    released = list(replaced.values_list("file_id", flat=True))
    replaced.delete()
    claim_files([point.file for point in by_step.values()])
    FileSeriesEntry.objects.bulk_create(
        [
            FileSeriesEntry(
                run=run,
                definition_id=definition_id,
                step=step,
                timestamp_ms=point.timestamp,
                name=point.name[:1000].replace("\x00", ""),
                description=point.description.replace("\x00", ""),
                file=point.file,
            )
            for step, point in by_step.items()
        ],
        batch_size=500,
    )
    release_files(released)
    last = entries.order_by("-step").first()
    Attribute.objects.filter(run=run, definition_id=definition_id).update(
        count=entries.count(),
        last_step=last.step if last else None,
        last_ms=last.timestamp_ms if last else None,
    )


def drop_links(run: Run, definition_ids: Sequence[int]) -> None:
    """Remove the tags and files of attributes that are deleted or cleared."""
    AttributeTag.objects.filter(run=run, definition_id__in=definition_ids).delete()
    released: list[int] = []
    for model in (FileEntry, FileSeriesEntry):
        rows = model.objects.filter(run=run, definition_id__in=definition_ids)
        released += rows.values_list("file_id", flat=True)
        rows.delete()
    if released:
        release_files(released)


def files_of(plan: PathPlan) -> list[StoredFile]:
    """All stored files a plan would refer to."""
    files = [point.file for operation in plan.files for point in operation.points]
    files += [file for each in plan.members if isinstance(each, AddFiles) for file in each.members.values()]
    return files + ([plan.file.file] if plan.file else [])
