"""What attribute paths may look like, and how to find what lies below one."""

from __future__ import annotations

import re

from django.db import connection
from django.db.models import Q

from runs.models import AttributeKind
from runs.models.attribute import MAX_PATH_BYTES

MAX_PATH_DEPTH = 64

# What the platform itself keeps; everything else below sys/ that a client knows about may be assigned.
READ_ONLY_PATHS = frozenset(
    f"sys/{name}"
    for name in [
        "creation_time",
        "custom_run_id",
        "id",
        "model_id",
        "modification_time",
        "monitoring_time",
        "owner",
        "ping_time",
        "running_time",
        "size",
        "state",
        "trashed",
        "visibility",
    ]
)
TAG_PATHS = frozenset({"sys/tags", "sys/group_tags"})
# The kind of the sys/ attributes whose kind is given.
SYSTEM_KINDS = {
    "sys/name": AttributeKind.STRING,
    "sys/description": AttributeKind.STRING,
    "sys/hostname": AttributeKind.STRING,
    "sys/stage": AttributeKind.STRING,
    "sys/failed": AttributeKind.BOOL,
}


_CONTROL = re.compile("[\x00-\x1f\x7f]")


def path_problem(path: str) -> str:
    """Why `path` can't be an attribute's path, in words; empty when it can."""
    if not path:
        return "The path is empty."
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "The path holds a character that is not valid Unicode."
    if size > MAX_PATH_BYTES:
        return f"The path has {size} bytes; the limit is {MAX_PATH_BYTES}."
    parts = path.split("/")
    if len(parts) > MAX_PATH_DEPTH:
        return f"The path has {len(parts)} parts; the limit is {MAX_PATH_DEPTH}."
    if not all(parts):
        return "The path has an empty part: it begins or ends with '/' or holds '//'."
    if _CONTROL.search(path):
        return "The path holds a control character."
    return ""


def parents(path: str) -> list[str]:
    """The namespaces a path lies in: `a/b/c` gives `a` and `a/b`."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def range_below(namespace: str, column: str) -> tuple[str, tuple[str, str]]:
    """A condition, and its parameters, for the paths inside a namespace in a statement written by hand.

    '0' follows '/' among bytes, by which SQLite and the pattern operators of PostgreSQL compare; these use the index
    for parameters too, which LIKE does not.
    """
    above, under = ("~>~", "~<~") if connection.vendor == "postgresql" else (">", "<")
    return f"({column} {above} %s AND {column} {under} %s)", (f"{namespace}/", f"{namespace}0")


def below(namespace: str, field: str = "path") -> Q:
    """A filter for the paths inside a namespace, in the form that the database answers from an index.

    SQLite compares bytes, so a range does ('0' follows '/'); PostgreSQL orders by locale, so there it is a prefix
    match."""
    if connection.vendor == "sqlite":
        return Q(**{f"{field}__gt": f"{namespace}/", f"{field}__lt": f"{namespace}0"})
    return Q(**{f"{field}__startswith": f"{namespace}/"})
