"""Native JSON operations to the platform's operations, without a serializer per operation: this is the hot path.

An operation is an object with `op` and `path` and what the op needs; docs/reference/native-api.md describes each. One
that can't be understood becomes an UnreadableOperation, so it is reported by index and the others are applied.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from api.limits import MEMBERS_PER_OPERATION
from runs.models import AttributeKind
from runs.operations import (
    AddTags,
    AppendFloats,
    AppendStrings,
    AssignGitRef,
    AssignValue,
    ClearSeries,
    ClearTags,
    ConfigureSeries,
    DeleteAttribute,
    DeleteFiles,
    Operation,
    RemoveTags,
    Scalar,
    UnreadableOperation,
)

SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_SERIES = {"float_series": AttributeKind.FLOAT_SERIES, "string_series": AttributeKind.STRING_SERIES}
_CLEARABLE = {**_SERIES, "file_series": AttributeKind.FILE_SERIES}
_EXCERPT = 200


class Unreadable(ValueError):
    """Why one operation can't be understood, in words for its sender."""


def read_operations(documents: Sequence[Any], *, now_ms: int | None = None) -> list[Operation]:
    """The operations of a batch, each with its index. Points without a timestamp get `now_ms`, the time of arrival."""
    arrived = int(time.time() * 1000) if now_ms is None else now_ms
    return [_read(document, index, arrived) for index, document in enumerate(documents)]


def _read(document: Any, index: int, arrived: int) -> Operation:
    path = ""
    try:
        if not isinstance(document, dict):
            raise Unreadable("An operation is an object with `op` and `path`.")
        path = _text(document, "path")
        name = _text(document, "op")
        reader = _READERS.get(name)
        if reader is None:
            raise Unreadable(f"There is no op '{name[:50]}'; known are {', '.join(_READERS)}.")
        return reader(document, path, index, arrived)
    except Unreadable as problem:
        return UnreadableOperation(
            path=path, index=index, code="invalid_operation", message=str(problem), value=repr(document)[:_EXCERPT]
        )


def _assign(document: Mapping[str, Any], path: str, index: int, arrived: int) -> Operation:
    if "value" not in document:
        raise Unreadable("`value` is missing.")
    value = document["value"]
    kind = document.get("type")
    if kind is None:
        kind = _implied_type(value)
    if kind == "git_ref":
        if not isinstance(value, dict):
            raise Unreadable("A git reference is an object.")
        return AssignGitRef(path=path, index=index, reference=value)
    if not isinstance(kind, str) or kind not in _ASSIGNABLE:
        raise Unreadable(f"`type` must be one of {', '.join([*_ASSIGNABLE, 'git_ref'])}.")
    attribute_kind, read = _ASSIGNABLE[kind]
    return AssignValue(path=path, index=index, kind=attribute_kind, value=read(value))


def _implied_type(value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float", str: "string"}
    if type(value) not in names:
        raise Unreadable("`value` must be a number, a bool or a text; for anything else send `type` too.")
    return names[type(value)]


def _float(value: Any) -> float:
    if isinstance(value, str) and value in SPECIAL_FLOATS:
        return SPECIAL_FLOATS[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable('A float is a number, "NaN", "Infinity" or "-Infinity".')
    return float(value)


def _int(value: Any) -> int:
    if type(value) is not int:
        raise Unreadable("An int is a whole number of 64 bits, without a decimal point.")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unreadable("A bool is true or false.")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise Unreadable("A string is a text.")
    return value


def _datetime(value: Any) -> datetime:
    try:
        moment = _moment(value)
        if moment is not None:
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        pass  # a time that no calendar has
    raise Unreadable("A datetime is a text such as 2026-01-31T12:00:00Z, or milliseconds since 1970.")


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        return parse_datetime(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000, tz=UTC)
    return None


_ASSIGNABLE: dict[str, tuple[AttributeKind, Callable[[Any], Scalar]]] = {
    "float": (AttributeKind.FLOAT, _float),
    "int": (AttributeKind.INT, _int),
    "bool": (AttributeKind.BOOL, _bool),
    "string": (AttributeKind.STRING, _string),
    "datetime": (AttributeKind.DATETIME, _datetime),
}


def _append(document: Mapping[str, Any], path: str, index: int, arrived: int) -> Operation:
    kind = document.get("type", "float_series")
    if not isinstance(kind, str) or kind not in _SERIES:
        raise Unreadable("`type` must be float_series (also when left out) or string_series.")
    values = _column(document, "values")
    if values is None:
        raise Unreadable("`values` is missing.")
    steps = _steps(document, len(values))
    timestamps = _timestamps(document, len(values), arrived)
    if kind == "string_series":
        lines = [_string(value) for value in values]
        return AppendStrings(path=path, index=index, values=lines, steps=steps, timestamps=timestamps)
    return AppendFloats(path=path, index=index, values=_floats(values), steps=steps, timestamps=timestamps)


def _floats(values: list[Any]) -> list[float]:
    if set(map(type, values)) <= {float, int}:
        return values
    return [_float(value) for value in values]


def _steps(document: Mapping[str, Any], count: int) -> list[float | None]:
    steps = _column(document, "steps")
    if steps is None:
        return [None] * count
    if len(steps) != count:
        raise Unreadable(f"There are {len(steps)} steps for {count} values.")
    if not set(map(type, steps)) <= {float, int, type(None)}:
        raise Unreadable("A step is a finite number, or null for the next one.")
    return steps


def _timestamps(document: Mapping[str, Any], count: int, arrived: int) -> list[int]:
    timestamps = _column(document, "timestamps")
    if timestamps is None:
        return [arrived] * count
    if len(timestamps) != count:
        raise Unreadable(f"There are {len(timestamps)} timestamps for {count} values.")
    if not set(map(type, timestamps)) <= {int}:
        raise Unreadable("A timestamp is a whole number of milliseconds since 1970.")
    return timestamps


def _column(document: Mapping[str, Any], name: str) -> list[Any] | None:
    column = document.get(name)
    if column is not None and not isinstance(column, list):
        raise Unreadable(f"`{name}` must be a list.")
    return column


def _text(document: Mapping[str, Any], name: str) -> str:
    text = document.get(name)
    if not isinstance(text, str):
        raise Unreadable(f"`{name}` must be a text.")
    return text


def _texts(document: Mapping[str, Any], name: str) -> list[str]:
    texts = _column(document, name)
    if texts is None or not all(isinstance(text, str) for text in texts):
        raise Unreadable(f"`{name}` must be a list of texts.")
    return texts


def _clear(document: Mapping[str, Any], path: str, index: int, arrived: int) -> Operation:
    kind = document.get("type", "float_series")
    if not isinstance(kind, str) or kind not in _CLEARABLE:
        raise Unreadable(f"`type` must be one of {', '.join(_CLEARABLE)}.")
    return ClearSeries(path=path, index=index, kind=_CLEARABLE[kind])


def _configure(document: Mapping[str, Any], path: str, index: int, arrived: int) -> Operation:
    bounds = [document.get("minimum"), document.get("maximum")]
    unit = document.get("unit")
    if unit is not None and not isinstance(unit, str):
        raise Unreadable("`unit` must be a text.")
    minimum, maximum = (None if bound is None else _float(bound) for bound in bounds)
    return ConfigureSeries(path=path, index=index, minimum=minimum, maximum=maximum, unit=unit)


def _delete_files(document: Mapping[str, Any], path: str, index: int, arrived: int) -> Operation:
    members = _texts(document, "members")
    if len(members) > MEMBERS_PER_OPERATION:
        raise Unreadable(f"There are {len(members)} members; the limit is {MEMBERS_PER_OPERATION} at a time.")
    return DeleteFiles(path=path, index=index, member_paths=members)


_READERS: dict[str, Callable[[Mapping[str, Any], str, int, int], Operation]] = {
    "assign": _assign,
    "append": _append,
    "clear": _clear,
    "configure": _configure,
    "add_tags": lambda document, path, index, _: AddTags(path=path, index=index, tags=_texts(document, "tags")),
    "remove_tags": lambda document, path, index, _: RemoveTags(path=path, index=index, tags=_texts(document, "tags")),
    "clear_tags": lambda _, path, index, __: ClearTags(path=path, index=index),
    "delete": lambda _, path, index, __: DeleteAttribute(path=path, index=index),
    "delete_files": _delete_files,
}
OPERATION_NAMES = tuple(_READERS)
