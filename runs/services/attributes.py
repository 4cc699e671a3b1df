"""Definitions and attribute rows: resolving paths to ids, creating what is missing, writing values that are not
series."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from threading import Lock

from cachetools import LRUCache
from django.db import transaction

from runs.models import Attribute, AttributeKind, Run
from runs.models.attribute import MAX_INDEXED_TEXT, ValueFlag
from runs.operations import AssignGitRef, AssignValue
from runs.services.attribute_rows import (
    VALUE_COLUMNS,
    find_definitions,
    insert_attributes,
    insert_definitions,
    upsert_values,
)

type_key = tuple[int, str, int]

EXACT_INTEGER_LIMIT = 2**53  # beyond it a float64 no longer holds every integer
_IN_CHUNK = 500

_definition_ids: LRUCache[type_key, int] = LRUCache(maxsize=200_000)
_cache_lock = Lock()


def resolve_definitions(project_id: int, wanted: Iterable[tuple[str, AttributeKind]]) -> dict[tuple[str, int], int]:
    """Ids of the definitions (path, kind) in a project, creating the missing ones. Call inside a transaction.

    Ids are cached per process, new ones only after the commit, so that a rolled-back one is never handed out.
    """
    keys = {(path, int(kind)) for path, kind in wanted}
    with _cache_lock:
        found = {key: _definition_ids[project_id, *key] for key in keys if (project_id, *key) in _definition_ids}
    missing = sorted(keys - found.keys())
    if not missing:
        return found
    paths = sorted({path for path, _ in missing})
    fetched = find_definitions(project_id, paths)
    if new := [key for key in missing if key not in fetched]:
        insert_definitions(project_id, new)
        fetched = find_definitions(project_id, paths)
    transaction.on_commit(lambda: _remember(project_id, fetched))
    return found | {key: fetched[key] for key in missing}


def _remember(project_id: int, ids: dict[tuple[str, int], int]) -> None:
    with _cache_lock:
        for key, pk in ids.items():
            _definition_ids[project_id, *key] = pk


def forget_definitions() -> None:
    """Empty the process's cache; for tests, whose databases are rolled back under it."""
    with _cache_lock:
        _definition_ids.clear()


def create_attributes(run: Run, definition_ids: Sequence[int]) -> None:
    """Make the (empty) attribute rows of a run that do not exist yet."""
    insert_attributes(run.pk, definition_ids)


def value_columns(kind: AttributeKind, value: object) -> dict[str, object]:
    """How a value lies in the columns of an attribute row; see Attribute. The value must have been checked before."""
    columns: dict[str, object] = {"flags": 0, "number": None, "text": None, "long_text": None}
    if kind is AttributeKind.STRING:
        text = str(value)
        columns["text"] = text[:MAX_INDEXED_TEXT]
        columns["long_text"] = text if len(text) > MAX_INDEXED_TEXT else None
    elif kind is AttributeKind.DATETIME:
        assert isinstance(value, datetime)  # noqa: S101 - the planner lets nothing else through
        columns["number"] = float(round(value.timestamp() * 1000))
    elif kind is AttributeKind.INT:
        integer = int(value)  # type: ignore[call-overload]
        columns["number"] = float(integer)
        columns["text"] = str(integer) if abs(integer) > EXACT_INTEGER_LIMIT else None
    else:
        number = float(value)  # type: ignore[arg-type]
        if math.isnan(number):
            columns["flags"] = int(ValueFlag.NAN)
        else:
            columns["number"] = number
    return columns


def write_values(run: Run, values: Mapping[int, AssignValue], *, new: Collection[int] = ()) -> None:
    """Set values by definition id, creating the attributes; the kinds must fit what is there. Values that are the same
    stay untouched, so a batch that is sent again writes nothing. `new` are known to be missing."""
    _upsert_values(run, {pk: value_columns(each.kind, each.value) for pk, each in values.items()}, new)


def write_git_reference(run: Run, operation: AssignGitRef) -> None:
    """Set a git reference; its document is kept as JSON, the commit id is the sortable text."""
    ids = resolve_definitions(run.project_id, [(operation.path, AttributeKind.GIT_REF)])
    commit = operation.reference.get("commit_id")
    columns: dict[str, object] = {
        "flags": 0,
        "number": None,
        "text": str(commit)[:MAX_INDEXED_TEXT] if commit else None,
        "long_text": json.dumps(dict(operation.reference), default=str),
    }
    _upsert_values(run, {ids[operation.path, int(AttributeKind.GIT_REF)]: columns})


def _upsert_values(run: Run, rows: dict[int, dict[str, object]], new: Collection[int] = ()) -> None:
    same: set[int] = set()
    ids = [pk for pk in rows if pk not in new]
    for start in range(0, len(ids), _IN_CHUNK):
        stored = Attribute.objects.filter(run=run, definition_id__in=ids[start : start + _IN_CHUNK])
        for pk, *values in stored.values_list("definition_id", *VALUE_COLUMNS):
            if values == [rows[pk][name] for name in VALUE_COLUMNS]:
                same.add(pk)
    changed = [(pk, columns) for pk, columns in rows.items() if pk not in same]
    upsert_values(run.pk, [(pk, *(columns[name] for name in VALUE_COLUMNS)) for pk, columns in changed])
