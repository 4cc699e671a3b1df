"""Source code: the files that were sent along, git, uncommitted changes, requirements."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from projects.exceptions import NotFound
from runs.models import AttributeKind, FileEntry, Run
from runs.selectors.attributes import AttributeView, list_attributes
from runs.selectors.files import file_entry, member_entry, set_members
from web.code import Line, highlight
from web.previews import file_name, read_text

NAMESPACE = "source_code"
FILES_PATH = f"{NAMESPACE}/files"
MAX_FILES = 500


@dataclass(frozen=True, slots=True)
class SourceLink:
    name: str
    icon: str
    link: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class SourceView:
    """A text shown with colours; `is_cut`: only its beginning is here."""

    name: str
    entry: FileEntry
    lines: list[Line]
    is_cut: bool


def source(run: Run, query: QueryDict) -> dict[str, Any]:
    """`file` names a member of the source files, `path` another file below source_code (a diff, requirements)."""
    views = {view.path: view for view in list_attributes(run, prefix=NAMESPACE)}
    members = list(islice(set_members(run, FILES_PATH), MAX_FILES)) if FILES_PATH in views else []
    others = [view for view in views.values() if view.kind is AttributeKind.FILE]
    chosen_file, chosen_path = query.get("file", "")[:1024], query.get("path", "")[:1024]
    if not chosen_file and not chosen_path:
        chosen_file = _first(members, views.get(f"{NAMESPACE}/entrypoint"))
        chosen_path = "" if chosen_file or not others else others[0].path
    return {
        "members": [_member_link(entry, chosen_file) for entry in members],
        "others": [_other_link(view, chosen_path) for view in others],
        "shown": _shown(run, chosen_file, chosen_path),
        "git": _value(views, f"{NAMESPACE}/git"),
        "entrypoint": _value(views, f"{NAMESPACE}/entrypoint"),
    }


def _first(members: list[FileEntry], entrypoint: AttributeView | None) -> str:
    """The script that was run, else the first file."""
    names = [entry.path for entry in members]
    script = str(entrypoint.value).removeprefix("./") if entrypoint else ""
    return script if script in names else next(iter(names), "")


def _shown(run: Run, member: str, path: str) -> SourceView | None:
    if member:
        entry = member_entry(run, FILES_PATH, member)
    elif path:
        if not path.startswith(f"{NAMESPACE}/"):
            raise NotFound
        entry = file_entry(run, path)
    else:
        return None
    name = file_name(entry)
    if not entry.file.media_type.startswith("text/") and entry.file.size:
        return SourceView(member or path, entry, [], is_cut=False)
    text, is_cut = read_text(entry)
    language = "diff" if path.rpartition("/")[2].startswith("diff") else ""
    return SourceView(member or path, entry, highlight(text, name, language), is_cut)


def _member_link(entry: FileEntry, chosen: str) -> SourceLink:
    return SourceLink(entry.path, "file-code", "?" + urlencode({"file": entry.path}), entry.path == chosen)


def _other_link(view: AttributeView, chosen: str) -> SourceLink:
    name = view.path.removeprefix(f"{NAMESPACE}/")
    icon = "git-commit-horizontal" if name.startswith("diff") else "file-text"
    return SourceLink(name, icon, "?" + urlencode({"path": view.path}), view.path == chosen)


def _value(views: dict[str, AttributeView], path: str) -> Any:
    return views[path].value if path in views else None
