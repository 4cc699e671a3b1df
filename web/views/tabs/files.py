"""Files: everything stored under the run's attributes, with previews."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from runs.models import AttributeKind, FileEntry, Run
from runs.selectors.attributes import AttributeView, list_attributes
from runs.selectors.files import DirectoryEntry, file_attributes, file_entry, list_directory, member_entry
from web.previews import Preview, file_name, preview

MAX_FILES = 1000
_ICONS = {"image": "file-image", "text": "file-text", "application/json": "file-code"}


@dataclass(frozen=True, slots=True)
class FileRow:
    """A line of the list. `link` is the query that shows it; `note` says what a set or series holds."""

    name: str
    icon: str
    link: str
    size: int | None = None
    modified_at: datetime | None = None
    note: str = ""
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class Crumb:
    name: str
    link: str


def files(run: Run, query: QueryDict) -> dict[str, Any]:
    """`path` names a file or a set; in a set `inside` is the directory looked at and `member` the file shown."""
    path, inside, member = (query.get(name, "")[:1024] for name in ("path", "inside", "member"))
    sets = list_attributes(run, kinds=[AttributeKind.FILE_SET], limit=MAX_FILES)
    is_set = any(view.path == path for view in sets)
    shown: Preview | None = None
    if path and is_set and member:
        shown = preview(member_entry(run, path, member))
        inside = inside or member.rpartition("/")[0]
    elif path and not is_set:
        shown = preview(file_entry(run, path))
    rows = _directory(run, path, inside, member) if is_set else _top(run, sets, path)
    return {
        "rows": rows,
        "crumbs": _crumbs(path, inside) if is_set else [],
        "preview": shown,
        "preview_name": file_name(shown.entry) if shown else "",
        "set_path": path if is_set else "",
    }


def _top(run: Run, sets: list[AttributeView], chosen: str) -> list[FileRow]:
    series = list_attributes(run, kinds=[AttributeKind.FILE_SERIES], limit=MAX_FILES)
    rows = [
        *(FileRow(view.path, "folder", _link(path=view.path), view.size, note="file set") for view in sets),
        *(FileRow(view.path, "images", "images", note=f"{view.count} files") for view in series),
        *(_file_row(entry, chosen) for entry in file_attributes(run, limit=MAX_FILES)),
    ]
    return sorted(rows, key=lambda row: row.name)


def _file_row(entry: FileEntry, chosen: str) -> FileRow:
    path = entry.definition.path
    return FileRow(path, _icon(entry), _link(path=path), entry.file.size, entry.created_at, is_chosen=path == chosen)


def _directory(run: Run, path: str, inside: str, member: str) -> list[FileRow]:
    return [_directory_row(path, inside, member, each) for each in list_directory(run, path, inside)[:MAX_FILES]]


def _directory_row(path: str, inside: str, member: str, each: DirectoryEntry) -> FileRow:
    full = f"{inside}/{each.name}" if inside else each.name
    if each.is_directory or each.entry is None:
        return FileRow(f"{each.name}/", "folder", _link(path=path, inside=full), each.size, each.modified_at)
    link = _link(path=path, member=full)
    return FileRow(each.name, _icon(each.entry), link, each.size, each.modified_at, is_chosen=full == member)


def _crumbs(path: str, inside: str) -> list[Crumb]:
    crumbs = [Crumb("all files", "?"), Crumb(path, _link(path=path))]
    parts = inside.split("/") if inside else []
    for depth, name in enumerate(parts, start=1):
        crumbs.append(Crumb(name, _link(path=path, inside="/".join(parts[:depth]))))
    return crumbs


def _icon(entry: FileEntry) -> str:
    media_type = entry.file.media_type
    return _ICONS.get(media_type) or _ICONS.get(media_type.partition("/")[0]) or "file"


def _link(**values: str) -> str:
    return "?" + urlencode(values)
