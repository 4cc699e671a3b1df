"""What can be shown of a file without trusting it: text, tables and pictures. Its bytes are read, never run."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from itertools import islice

from runs.files.media_types import with_extension
from runs.models import FileEntry
from runs.services.files import read_range
from web.code import Line, highlight

MAX_BYTES = 512 * 1024
MAX_ROWS = 500
MAX_COLUMNS = 60
_PICTURES = frozenset(["image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"])
_TINY = 128


@dataclass(frozen=True, slots=True)
class Preview:
    """How a file is shown: `kind` is image, html, table, code or none. `is_cut`: only its beginning is here."""

    kind: str
    entry: FileEntry
    media_type: str
    lines: list[Line] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    is_cut: bool = False
    is_tiny: bool = False


def preview(entry: FileEntry) -> Preview:
    media_type = with_extension(entry.file.media_type, entry.extension)
    if media_type in _PICTURES:
        sides = [entry.file.facts.get("width"), entry.file.facts.get("height")]
        is_tiny = all(isinstance(side, int) and side <= _TINY for side in sides)
        return Preview("image", entry, media_type, is_tiny=is_tiny)
    if media_type == "text/html":
        return Preview("html", entry, media_type)
    if not media_type.startswith("text/") and media_type != "application/json":
        return Preview("none", entry, media_type)
    text, is_cut = read_text(entry)
    if media_type in {"text/csv", "text/tab-separated-values"}:
        header, rows, more = _table(text, "\t" if media_type == "text/tab-separated-values" else ",")
        return Preview("table", entry, media_type, header=header, rows=rows, is_cut=is_cut or more)
    if media_type == "application/json" and not is_cut:
        text = _indented(text)
    return Preview("code", entry, media_type, lines=highlight(text, file_name(entry)), is_cut=is_cut)


def read_text(entry: FileEntry) -> tuple[str, bool]:
    """The beginning of a text file, and whether there is more of it."""
    data = b"".join(read_range(entry.file, 0, min(MAX_BYTES, entry.file.size))) if entry.file.size else b""
    return data.decode("utf-8", "replace").replace("\r\n", "\n"), entry.file.size > MAX_BYTES


def file_name(entry: FileEntry) -> str:
    """A name with an extension, by which the language is known."""
    name = entry.path.rpartition("/")[2] or entry.name or entry.definition.path.rpartition("/")[2]
    return name if "." in name or not entry.extension else f"{name}.{entry.extension}"


def _table(text: str, separator: str) -> tuple[list[str], list[list[str]], bool]:
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        rows = [row[:MAX_COLUMNS] for row in islice(reader, MAX_ROWS + 2)]
    except csv.Error:
        rows = [[line] for line in text.splitlines()[: MAX_ROWS + 2]]
    return (rows[0] if rows else []), rows[1 : MAX_ROWS + 1], len(rows) > MAX_ROWS + 1


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
