"""Attributes as the clients read them: `{"name", "type", "<type>Properties": {…}}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from api.compat.neptune.wire.values import to_number, to_time, without_nulls
from runs.models import AttributeKind
from runs.selectors.attributes import AttributeView

WIRE_TYPES: dict[AttributeKind, str] = {
    AttributeKind.FLOAT: "float",
    AttributeKind.INT: "int",
    AttributeKind.BOOL: "bool",
    AttributeKind.STRING: "string",
    AttributeKind.DATETIME: "datetime",
    AttributeKind.STRING_SET: "stringSet",
    AttributeKind.FLOAT_SERIES: "floatSeries",
    AttributeKind.STRING_SERIES: "stringSeries",
    AttributeKind.FILE_SERIES: "imageSeries",
    AttributeKind.FILE: "file",
    AttributeKind.FILE_SET: "fileSet",
    AttributeKind.ARTIFACT: "artifact",
    AttributeKind.GIT_REF: "gitRef",
    AttributeKind.RUN_STATE: "experimentState",
}
KINDS = {name: kind for kind, name in WIRE_TYPES.items()}
_VISIBILITIES = {"private": "priv", "organization": "workspace", "public": "pub"}


def attribute(view: AttributeView) -> dict[str, Any]:
    """One attribute with its properties."""
    name = WIRE_TYPES[view.kind]
    return {"name": view.path, "type": name, f"{name}Properties": properties(view)}


def properties(view: AttributeView) -> dict[str, Any]:
    """The properties object alone, which is also the answer of the attribute's own address."""
    own = _PROPERTIES[view.kind](view)
    return {"attributeName": view.path, "attributeType": WIRE_TYPES[view.kind], **own}


def _number(view: AttributeView) -> dict[str, Any]:
    assert view.value is None or isinstance(view.value, float | int)  # noqa: S101 - told by the kind
    return {"value": to_number(view.value)}


def _value(view: AttributeView) -> dict[str, Any]:
    if view.path == "sys/visibility":
        return {"value": _VISIBILITIES.get(str(view.value), view.value)}
    return {"value": view.value}


def _datetime(view: AttributeView) -> dict[str, Any]:
    return {"value": to_time(view.value) if isinstance(view.value, datetime) else None}


def _string_set(view: AttributeView) -> dict[str, Any]:
    return {"values": view.value}


def _float_series(view: AttributeView) -> dict[str, Any]:
    last = view.value if isinstance(view.value, float | int) else None
    config = without_nulls([("min", view.range_minimum), ("max", view.range_maximum), ("unit", view.unit or None)])
    numbers = without_nulls(
        [
            ("last", to_number(last)),
            ("lastStep", to_number(view.last_step)),
            ("min", to_number(view.minimum)),
            ("max", to_number(view.maximum)),
            ("average", to_number(view.mean)),
            ("variance", to_number(view.variance)),
        ]
    )
    return {"config": config, **numbers}


def _string_series(view: AttributeView) -> dict[str, Any]:
    return without_nulls([("last", view.value), ("lastStep", to_number(view.last_step))])


def _image_series(view: AttributeView) -> dict[str, Any]:
    return without_nulls([("lastStep", to_number(view.last_step))])


def _file(view: AttributeView) -> dict[str, Any]:
    if view.file is None:
        return {"name": "", "ext": "", "size": 0}
    return {"name": view.file.name, "ext": view.file.extension, "size": view.file.size}


def _file_set(view: AttributeView) -> dict[str, Any]:
    return {"size": view.size or 0}


def _git_ref(view: AttributeView) -> dict[str, Any]:
    reference = view.value if isinstance(view.value, Mapping) else {}
    commit = without_nulls(
        [
            ("commitId", reference.get("commit_id")),
            ("message", reference.get("message")),
            ("authorName", reference.get("author_name")),
            ("authorEmail", reference.get("author_email")),
            ("commitDate", reference.get("date")),
        ]
    )
    return {
        "commit": commit,
        "repositoryDirty": reference.get("is_dirty"),
        "currentBranch": reference.get("branch"),
        "remotes": reference.get("remotes"),
    }


def _artifact(view: AttributeView) -> dict[str, Any]:
    return {"hash": view.value}


_PROPERTIES: dict[AttributeKind, Callable[[AttributeView], dict[str, Any]]] = {
    AttributeKind.FLOAT: _number,
    AttributeKind.INT: _value,
    AttributeKind.BOOL: _value,
    AttributeKind.STRING: _value,
    AttributeKind.DATETIME: _datetime,
    AttributeKind.STRING_SET: _string_set,
    AttributeKind.FLOAT_SERIES: _float_series,
    AttributeKind.STRING_SERIES: _string_series,
    AttributeKind.FILE_SERIES: _image_series,
    AttributeKind.FILE: _file,
    AttributeKind.FILE_SET: _file_set,
    AttributeKind.ARTIFACT: _artifact,
    AttributeKind.GIT_REF: _git_ref,
    AttributeKind.RUN_STATE: _value,
}
